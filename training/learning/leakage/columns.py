"""The older leads as the probes see them: their labels, their place in time, and one column at a time.

Rows of one lead are one piece of evidence: counts are sums of weights, never numbers of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.spec import Feature
from training.learning.dataset import Dataset
from training.learning.folds import split_newest

_MOST_ROWS = 50_000
_MOST_BINS = 50


@dataclass(frozen=True, slots=True)
class Part:
    """Rows the probes may look at, shape (n,) each.

    Attributes
    ----------
    rows : positions in the dataset, rising.
    y, weight : labels and weights.
    place : of the row's lead among these leads in order of time, from 0 to just below 1.
    older, newer : boolean masks of the two halves by time; rows that both may not see (the purge, shared groups) are in neither.
    half : boolean mask, leads drawn at random into two halves, always the same ones.
    shuffled : ``place`` dealt out to the leads at random.
    n_leads : how many leads there are.
    """

    rows: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    place: np.ndarray
    older: np.ndarray
    newer: np.ndarray
    half: np.ndarray
    shuffled: np.ndarray
    n_leads: int

    def held(self, mask: np.ndarray) -> tuple[float, float]:
        """Weight with and without the goal among the rows of a mask."""
        return float((self.weight * self.y)[mask].sum()), float((self.weight * (1 - self.y))[mask].sum())


@dataclass(frozen=True, slots=True)
class Column:
    """One feature over a part: values with NaN for unknown, levels of a category, and the field behind it."""

    feature: Feature
    x: np.ndarray
    levels: tuple[str, ...] | None

    @property
    def field(self) -> str:
        """The field a finding names: the one the feature reads, otherwise the feature itself."""
        return self.feature.fields[0] if len(self.feature.fields) == 1 else self.feature.name

    @property
    def is_dated(self) -> bool:
        """Whether the value is made of dated facts alone, so that nothing after the cutoff can be in it."""
        return not self.feature.fields

    @property
    def is_known(self) -> np.ndarray:
        return ~np.isnan(self.x)

    def named(self, value: float) -> str:
        """A value as people read it."""
        if self.levels is None:
            return f"{value:g}"
        return self.levels[int(value)] if value < len(self.levels) else "other"

    def bins(self, learns: np.ndarray, *, most: int = _MOST_BINS) -> np.ndarray:
        """Whole numbers, shape (n,): 0 is unknown; a level, or one of up to ``most`` quantile bins of the learning rows."""
        known = self.is_known
        filled = np.where(known, self.x, 0.0)
        if self.levels is not None:
            return np.where(known, filled + 1, 0).astype(np.int64)
        seen = self.x[known & learns]
        edges = np.unique(np.quantile(seen, np.linspace(0, 1, most + 1)[1:-1])) if len(seen) else np.zeros(0)
        return np.where(known, np.searchsorted(edges, filled, side="left") + 1, 0).astype(np.int64)


def part_of(dataset: Dataset, older: np.ndarray) -> Part:
    """The part made of the dataset's rows ``older``; above 50,000 rows every k-th lead."""
    if len(older) > _MOST_ROWS:
        older = older[_in_time(dataset, older) % -(-len(older) // _MOST_ROWS) == 0]
    place = _in_time(dataset, older)
    n_leads = int(place.max()) + 1
    fold = split_newest(dataset.rows, share=0.5, among=older)
    deal = np.random.default_rng(20_260_101).permutation(n_leads)
    return Part(
        rows=older,
        y=dataset.y[older],
        weight=dataset.weight[older],
        place=place / n_leads,
        older=np.isin(older, fold.train),
        newer=np.isin(older, fold.test),
        half=deal[place] % 2 == 0,
        shuffled=deal[place] / n_leads,
        n_leads=n_leads,
    )


def columns_of(dataset: Dataset, part: Part) -> list[Column]:
    """Every feature of the dataset over the part."""
    return [
        Column(feature, dataset.X[part.rows, j], dataset.matrix.levels.get(feature.name))
        for j, feature in enumerate(dataset.features)
    ]


def _in_time(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Position of each row's lead among the leads in order of time, from 0."""
    lead = dataset.lead_numbers[rows]
    key = np.lexsort((lead, dataset.order[rows]))
    place = np.empty(len(rows), dtype=np.int64)
    place[key] = np.cumsum(np.diff(lead[key], prepend=lead[key[:1]]) != 0)
    return place
