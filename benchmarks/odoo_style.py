"""Naive Bayes on the categories of a table, as open-source CRMs do it, as a model to measure against.

Like them it knows texts only: numbers and behaviour have no place in its counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.learning.naive_bayes import ClosedLead, NaiveBayes


def odoo_style(
    texts: Mapping[str, np.ndarray], y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Chances of the rows ``test``, counted on the rows ``train``.

    Parameters
    ----------
    texts : columns of text or None, shape (n,) each.
    y : 0/1, shape (n,). Without both classes in ``train`` every lead gets 0.5.
    """
    model = NaiveBayes(tuple(texts))
    names, columns = list(texts), [column.tolist() for column in texts.values()]

    def lead(row: int) -> ClosedLead:
        return ClosedLead({name: column[row] for name, column in zip(names, columns, strict=True)})

    for row in train.tolist():
        model.add(lead(row), won=bool(y[row] > 0.5))
    scored = model.chances([lead(row) for row in test.tolist()])
    return np.array([0.5 if percent is None else percent / 100 for percent in scored])
