"""A level of its own for every segment, as far as its leads vouch for it.

Instead of one model for each segment or none, all segments share one model, and each moves by what the shared model leaves unsaid about its
leads: the residual log-odds of rows no fitted model had seen, drawn toward zero by how few they are and how little segments differ.

References
----------
DerSimonian and Laird (1986) for the spread between segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from data.errors import ConfigError, did_you_mean
from features.catalog import table_features
from features.matrix import Matrix, build_matrix, recode
from features.spec import FeatureSet
from training.learning.dataset import Dataset
from training.scorer.additive import Additive, Affine
from training.scorer.scale import probability_of
from training.scorer.scorecard import CategoryTerm, Scorecard


def with_segment(dataset: Dataset, by: str) -> Dataset:
    """The dataset with a column for the segment: itself where ``by`` is one of its categories, otherwise with the profile field added.

    Raises ConfigError when ``by`` is neither a category nor a profile field of texts.
    """
    if not by or by in dataset.matrix.levels:
        return dataset
    known = (*dataset.matrix.levels, *dataset.snapshots.fields)
    if by not in dataset.snapshots.fields:
        raise ConfigError(f"segment_by {by!r} is no category and no field{did_you_mean(by, known)}")
    own = table_features({by: dataset.snapshots.fields[by]})
    added = build_matrix(dataset.snapshots, own)
    if by not in added.levels or by in dataset.features.names:
        raise ConfigError(f"segment_by {by!r} holds numbers; a segment needs texts")
    features = FeatureSet((*dataset.features, *own))
    X = np.ascontiguousarray(np.column_stack([dataset.X, added.X]))
    matrix = Matrix(features.names, X, {**dataset.matrix.levels, **added.levels})
    found = replace(dataset, matrix=matrix, features=features)
    # The hash stands for the data that came in: whoever builds the same dataset again must find the same one.
    found.__dict__["data_hash"] = dataset.data_hash
    return found


def with_segment_levels(
    model: Additive,
    calibration: Affine,
    dataset: Dataset,
    levels: Mapping[str, tuple[str, ...]],
    rows: np.ndarray,
    margin: np.ndarray,
    *,
    by: str,
) -> Additive:
    """The model with each segment's level in the scorecard's term for ``by``; unchanged without a scorecard.

    Parameters
    ----------
    rows, margin : row numbers no fitted model had seen and their raw log-odds, shape (m,).
    """
    if not by or by not in levels or model.scorecard is None or not model.weight_scorecard:
        return model
    place = dataset.matrix.names.index(by)
    term = model.scorecard.terms[place]
    if not isinstance(term, CategoryTerm):
        return model
    codes = recode(dataset.matrix.take(rows), levels).X[:, place]
    n = len(levels[by])
    group = np.where(np.isnan(codes), n + 1, np.minimum(np.nan_to_num(codes), n)).astype(np.int64)
    p = probability_of(calibration.of(margin))
    shift = segment_levels(group, n + 2, p, dataset.y[rows], dataset.weight[rows])
    # In the units of the scorecard, before weight and calibration.
    shift = shift / (calibration.slope * model.weight_scorecard)
    moved = CategoryTerm(
        tuple(w + float(s) for w, s in zip(term.weights, shift, strict=False)),
        term.other + float(shift[n]),
        term.missing + float(shift[n + 1]),
    )
    terms = [*model.scorecard.terms[:place], moved, *model.scorecard.terms[place + 1 :]]
    return replace(model, scorecard=Scorecard(model.scorecard.base, terms))


def segment_levels(
    group: np.ndarray, n_groups: int, p: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Log-odds to add by group, shape (n_groups,); 0 for a group without rows, and for all when they differ by no more than chance.

    Parameters
    ----------
    group : whole numbers from 0. p, y, weight : chance told, 0/1, non-negative. Shape (m,) each.
    """
    off = np.bincount(group, weights=weight * (y - p), minlength=n_groups)
    known = np.bincount(group, weights=weight * p * (1 - p), minlength=n_groups)
    held = known > 1e-9
    if held.sum() < 2:
        return np.zeros(n_groups)
    value, v = off[held] / known[held], known[held]
    mean = float((v * value).sum() / v.sum())
    excess = float((v * (value - mean) ** 2).sum()) - (len(value) - 1)
    between = max(0.0, excess / float(v.sum() - (v**2).sum() / v.sum()))
    found = np.zeros(n_groups)
    # One step of Newton's method overshoots where a small group is far off.
    found[held] = np.clip(between / (between + 1 / v) * (value - mean), -2.0, 2.0)
    return found
