"""Which rows are alike in how soon they are decided.

Likely goals come sooner than unlikely ones, and unlikely leads are lost sooner. Rows are therefore grouped by what a scorecard, fitted on
the oldest mature leads alone, thinks of them; each group has maturity curves of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.fitting import fit_parts
from training.learning.folds import split_newest

# Shares of the rows below each edge: finer where goals are.
_EDGES = (0.4, 0.6, 0.8, 0.9)
_NEWER_SHARE = 0.6
_FEWEST_GOALS = 200


def with_likeness(dataset: Dataset, *, config: TrainConfig, seed: int) -> Dataset:
    """The dataset with ``alike`` set; unchanged where only labels teach, or they are too few to be grouped."""
    if dataset.followed is None:
        return dataset
    mature = np.flatnonzero(dataset.is_mature)
    oldest = split_newest(dataset.rows, share=_NEWER_SHARE, among=mature).train
    if min(int(dataset.y[oldest].sum()), int((1 - dataset.y[oldest]).sum())) < _FEWEST_GOALS:
        return dataset
    parts = fit_parts(dataset, oldest, candidates=["scorecard"], config=config, seed=seed)
    everything = np.arange(len(dataset))
    margin = parts.candidate("scorecard").margin(parts.columns(dataset.matrix, everything))
    edges = np.quantile(margin[oldest], _EDGES, method="inverted_cdf")
    return replace(dataset, alike=np.searchsorted(edges, margin, side="left"))
