"""The two parts a model is made of: a scorecard (ridge logistic regression on a readable basis) and shallow boosted trees.

Both are deterministic: the same rows, settings and seed give the same bits, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from training.learning.basis import basis_of
from training.learning.config import TrainConfig
from training.scorer.scale import log_odds
from training.scorer.scorecard import Scorecard, row_sums
from training.scorer.trees import Trees, column_names

_NEWTON_STEPS = 50
_MANY_ROWS = 200_000
_BLOCK = 8_192
# Beside hints, a weight says only what they leave unsaid. Of 2, 4, 8 and 16 times the ridge, 4 to 8 were best on three development firms.
_HELD_BESIDE_HINTS = 4.0


@dataclass(frozen=True, slots=True)
class Hint:
    """What sales said of each row beside the goal, shape (n,): 1, 0, or -1 where it is not known yet; and the ridge to learn it with."""

    said: np.ndarray
    l2: float


def base_log_odds(y: np.ndarray, weight: np.ndarray) -> float:
    """Log-odds of the weighted goal rate, smoothed by half a lead of each class so that they are finite."""
    return log_odds((float((weight * y).sum()) + 0.5) / (float(weight.sum()) + 1.0))


def fit_scorecard(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    *,
    n_levels: Sequence[int | None],
    config: TrainConfig,
    hints: Sequence[Hint] = (),
    groups: Sequence[str] = (),
) -> Scorecard:
    """Ridge logistic regression, one term per column, centred on the rows.

    What else sales said of the leads (``hints``) is regressed on the same columns first. How far it speaks for the goal is then learned
    beside the weights, once for each of the ``groups`` of columns, and the weights, held more firmly, say only what is left. A hint that
    says nothing of the goal thus gets a weight near 0. The sum is one scorecard like any other.

    Parameters
    ----------
    X, y, weight : shapes (n, p), (n,), (n,). ``y`` is 0/1, or a chance where no label is known.
    n_levels : per column, the number of levels of a category or None for a number.
    hints : what else was said of the rows.
    groups : the group of each column; needed with hints.

    References
    ----------
    Caruana (1997), multitask learning. Bastani (2021), predicting with proxies: plentiful labels first, corrected by the rare ones.
    """
    if len(X) > config.max_scorecard_rows:
        rows = np.linspace(0, len(X) - 1, config.max_scorecard_rows).astype(np.int64)
        X, y, weight = X[rows], y[rows], weight[rows]
        hints = [replace(hint, said=hint.said[rows]) for hint in hints]
    bases = [basis_of(X[:, j], n_levels[j], weight, n_knots=config.n_knots) for j in range(X.shape[1])]
    D = np.column_stack([np.ones(len(X)), *(b.design for b in bases)])
    penalty = np.concatenate([[0.0], *(b.penalty for b in bases)])
    if hints:
        of_column = np.concatenate(
            [[""], *(np.full(len(b.penalty), g) for b, g in zip(bases, groups, strict=True))]
        )
        beta = _hinted(D, y, weight, penalty, hints=hints, of_column=of_column, l2=config.scorecard_l2)
    else:
        beta = _ridge_logistic(D, y, weight, config.scorecard_l2 * penalty)
    terms, at = [], 1
    for b in bases:
        terms.append(b.term(beta[at : at + len(b.penalty)]))
        at += len(b.penalty)
    return centred(Scorecard(float(beta[0]), terms), X, weight)


def _hinted(
    D: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    penalty: np.ndarray,
    *,
    hints: Sequence[Hint],
    of_column: np.ndarray,
    l2: float,
) -> np.ndarray:
    """Weights of the goal that lean on those of the hints; ``of_column`` is the group of each column of ``D``, empty for the intercept."""
    leaning, directions = [], []
    for hint in hints:
        told = np.flatnonzero(hint.said >= 0)
        own = _ridge_logistic(D[told], hint.said[told], weight[told], hint.l2 * penalty)
        for group in sorted(set(of_column.tolist()) - {""}):
            direction = np.where(of_column == group, own, 0.0)
            leaning.append(D @ direction)
            directions.append(direction)
    means = [float((weight * column).sum() / weight.sum()) for column in leaning]
    found = _ridge_logistic(
        np.column_stack([D, *(column - mean for column, mean in zip(leaning, means, strict=True))]),
        y,
        weight,
        np.concatenate([_HELD_BESIDE_HINTS * l2 * penalty, np.full(len(leaning), l2)]),
    )
    beta, shares = found[: D.shape[1]], found[D.shape[1] :]
    for share, direction in zip(shares.tolist(), directions, strict=True):
        beta = beta + share * direction
    beta[0] -= float(sum(s * m for s, m in zip(shares.tolist(), means, strict=True)))
    return beta


def centred(card: Scorecard, X: np.ndarray, weight: np.ndarray) -> Scorecard:
    """The same log-odds with every term's weighted mean over these rows moved into the base."""
    C = card.contributions(X)
    means = [float((weight * C[:, j]).sum() / weight.sum()) for j in range(C.shape[1])]
    base = card.base + float(row_sums(np.array([means]))[0])
    return Scorecard(base, [t.shifted(-m) for t, m in zip(card.terms, means, strict=True)])


def fit_trees(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    *,
    start: np.ndarray,
    names: Sequence[str],
    n_levels: Sequence[int | None],
    n_leads: int,
    config: TrainConfig,
    seed: int,
    directions: Sequence[int] = (),
) -> Trees:
    """Shallow LightGBM trees on the log loss, on top of the log-odds ``start`` (n,), which they do not contain.

    Columns as in ``fit_scorecard``, ``names`` those of the features. ``directions`` says for each column whether the log-odds may only rise
    (1) or only fall (-1) with a number; 0, and none given, leaves it free.
    """
    import lightgbm

    is_category = [count is not None for count in n_levels]
    leads_per_leaf = max(5, min(config.min_rows_per_leaf, n_leads // 60))
    rows_per_leaf = max(1, round(leads_per_leaf * len(X) / max(n_leads, 1)))
    columns = column_names(names)
    fill = _fill(X, is_category)
    data = lightgbm.Dataset(
        np.ascontiguousarray(X, dtype=np.float64),
        label=y,
        weight=weight,
        init_score=start,
        feature_name=columns,
        categorical_feature=[c for c, is_one in zip(columns, is_category, strict=True) if is_one],
        params={"verbosity": -1, "min_data_in_leaf": rows_per_leaf, "feature_pre_filter": False},
        free_raw_data=True,
    )
    settings: dict[str, Any] = {
        # The same loss, for labels that may be chances; plain labels keep their objective, and so their bytes.
        "objective": "binary" if np.isin(y, (0, 1)).all() else "cross_entropy",
        "learning_rate": config.learning_rate,
        "num_leaves": config.n_leaves,
        "max_depth": config.max_depth,
        "min_data_in_leaf": rows_per_leaf,
        "min_data_per_group": max(10, min(100, 2 * rows_per_leaf)),
        "lambda_l2": config.trees_l2,
        "feature_fraction": config.feature_share,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": config.threads or (1 if len(X) < _MANY_ROWS else 0),
        "verbosity": -1,
    }
    constraints = [0 if is_one else d for d, is_one in zip(directions, is_category, strict=False)]
    if any(constraints):
        settings["monotone_constraints"] = constraints
    booster = lightgbm.train(settings, data, num_boost_round=config.n_trees)
    return Trees(booster.model_to_string(), names=names, fill=fill)


def _fill(X: np.ndarray, is_category: Sequence[bool]) -> np.ndarray:
    """Median of each number that is never missing here; NaN elsewhere."""
    fill = np.full(X.shape[1], np.nan)
    for j, is_one in enumerate(is_category):
        if not is_one and len(X) and not np.isnan(X[:, j]).any():
            fill[j] = float(np.quantile(X[:, j], 0.5, method="inverted_cdf"))
    return fill


def _gram(D: np.ndarray, root: np.ndarray) -> np.ndarray:
    """``D.T @ diag(root**2) @ D`` by blocks of rows: half the work of the plain product, and no second copy of a large ``D``."""
    H = np.zeros((D.shape[1], D.shape[1]))
    for start in range(0, len(D), _BLOCK):
        B = D[start : start + _BLOCK] * root[start : start + _BLOCK, None]
        H += B.T @ B
    return H


def _ridge_logistic(D: np.ndarray, y: np.ndarray, weight: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Newton's method with step halving on a convex loss; ``penalty`` per coefficient, 0 for the intercept."""
    beta = np.zeros(D.shape[1])
    beta[0] = base_log_odds(y, weight)

    def loss(z: np.ndarray, b: np.ndarray) -> float:
        return float((weight * (np.logaddexp(0.0, z) - y * z)).sum() + (penalty * b**2).sum() / 2)

    # On one thread, because the grouping of a threaded product depends on the number of cores.
    with threadpool_limits(limits=1, user_api="blas"):
        z = D @ beta
        now = loss(z, beta)
        for _ in range(_NEWTON_STEPS):
            p = 1.0 / (1.0 + np.exp(-np.clip(z, -500.0, 500.0)))
            gradient = D.T @ (weight * (p - y)) + penalty * beta
            curve = weight * p * (1 - p)
            H = _gram(D, np.sqrt(curve))
            H[np.diag_indices_from(H)] += penalty + 1e-9
            step = np.linalg.solve(H, gradient)
            size = 1.0
            while size > 1e-6:
                moved = beta - size * step
                z_moved = D @ moved
                after = loss(z_moved, moved)
                if after <= now:
                    break
                size /= 2
            else:
                break
            gain, beta, z, now = now - after, moved, z_moved, after
            if gain < 1e-10 * max(1.0, abs(now)):
                break
    return beta
