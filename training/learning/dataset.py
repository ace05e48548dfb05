"""A dataset: the rows a model learns from.

One row is one lead at one cutoff. Features come from the snapshot at the cutoff, the label from the horizon after it. A lead asked at
five ages weighs a fifth in each row, also when only some of the rows are left: a lead that reaches its goal early has few rows, and
giving them its whole weight would promise too much to every fresh lead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from data.asof import Followed
from data.definition import label_definition
from data.domain import DAY, GOALS
from data.errors import ConfigError, NotEnoughDataError, did_you_mean
from data.fills import Fills
from data.snapshots import Snapshots
from data.store import Store
from features.catalog import default_features, with_custom_fields
from features.defining import own_features, unmatched, with_own
from features.matrix import Matrix, build_matrix
from features.spec import Feature, FeatureSet
from training.learning.censoring import Shares, known_shares, maturity_rows
from training.learning.folds import Rows

# Large matrices are hashed piece by piece.
_BLOCK = 65_536
DEFAULT_AGES_DAYS = (0.0, 3.0, 7.0, 14.0, 30.0)


@dataclass(frozen=True)
class Dataset:
    """Rows (lead, cutoff), in order of the leads' creation.

    Attributes
    ----------
    matrix : n rows with every level that occurs; folds pool the rare ones.
    snapshots : the same rows as snapshots.
    y, weight : 0/1, NaN for a row still open, and the row's weight, shape (n,); the rows of a lead weigh at most 1 together, whatever
        became of it.
    cutoffs : int64 instants, shape (n,); 0 for a flat table.
    order : int64, shape (n,): creation instant of the lead, or its position in a flat table.
    lead_ids : object array, shape (n,).
    groups : object array, shape (n,), of what must not be split between training and test; None: every lead for itself.
    goal, horizon_days, now : what is predicted; horizon and now are None for a flat table.
    excluded : how many rows were left out, by reason.
    notes : what a reader of the card should know of the data.
    immature : what became of rows whose horizon is still open; as in ``TrainConfig``.
    definition : what a label means; see ``data.definition``.
    maturity : the maturity curve; see ``censoring.maturity_rows``. Empty for a flat table.
    known_at : int64 instants, shape (n,), from which each label is used; None for a flat table.
    followed : how long every row, immature ones too, was watched; None where only labels teach.
    alike : whole numbers, shape (n,): rows with maturity curves of their own; None: all are alike. Training sets it.
    fills : when closed leads got their fields, for the leak probes; None for a flat table.
    own : the definitions among ``features`` that somebody added to the catalog's.
    said : what else sales said by the end of each row's horizon, by name of ``data.labels.SAID``: 0/1, -1 while open; shape (n,) each.
        It teaches beside the labels; see ``candidates.fit_scorecard``.
    """

    matrix: Matrix
    snapshots: Snapshots
    y: np.ndarray
    weight: np.ndarray
    cutoffs: np.ndarray
    order: np.ndarray
    lead_ids: np.ndarray
    goal: str
    features: FeatureSet
    groups: np.ndarray | None = None
    horizon_days: int | None = None
    now: int | None = None
    excluded: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    immature: str = "wait"
    definition: Mapping[str, Any] = field(default_factory=dict)
    maturity: tuple[Mapping[str, Any], ...] = ()
    known_at: np.ndarray | None = None
    followed: Followed | None = None
    alike: np.ndarray | None = None
    fills: Fills | None = None
    own: tuple[Feature, ...] = ()
    said: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def X(self) -> np.ndarray:  # noqa: N802
        """Feature values, shape (n, p)."""
        return self.matrix.X

    @property
    def is_timed(self) -> bool:
        """Whether rows have cutoffs and a horizon; a flat table has an order only."""
        return self.horizon_days is not None

    @cached_property
    def lead_numbers(self) -> np.ndarray:
        """The lead of each row as a whole number, shape (n,)."""
        return _numbered(self.lead_ids)

    @cached_property
    def is_mature(self) -> np.ndarray:
        """Rows whose whole horizon has passed, shape (n,): a fair sample by ``weight`` alone. Figures are measured on these only."""
        if self.horizon_days is None or self.now is None:
            return np.ones(len(self), dtype=bool)
        return self.cutoffs + round(self.horizon_days * DAY) <= self.now

    @cached_property
    def is_open(self) -> np.ndarray:
        """Rows that nothing has decided yet, shape (n,): they have no label, and count nowhere but in ``learning.open_rows``."""
        return np.isnan(self.y)

    @cached_property
    def shares(self) -> Shares | None:
        """The maturity curves at each row; None where only labels teach."""
        if self.followed is None or self.now is None or self.horizon_days is None:
            return None
        return known_shares(
            self.followed, now=self.now, horizon_days=self.horizon_days, n_rows=len(self), alike=self.alike
        )

    @cached_property
    def rows(self) -> Rows:
        """What folds need to know."""
        return Rows(
            order=self.order,
            lead=self.lead_numbers,
            group=None if self.groups is None else _numbered(self.groups),
            cutoff=self.cutoffs if self.is_timed else None,
            horizon_days=self.horizon_days,
            # Early decided rows teach only beside the open ones, which folds do not know: they wait for the end of the horizon.
            known_at=self.known_at if self.followed is None else None,
        )

    @cached_property
    def data_hash(self) -> str:
        """Sha-256 over everything that training reads; the same hash, config and seed give the same scorer."""
        digest = hashlib.sha256()
        head = {
            "features": self.features.hash,
            "levels": {k: list(v) for k, v in self.matrix.levels.items()},
            "goal": self.goal,
            "horizon_days": self.horizon_days,
            "definition": dict(self.definition),
            "leads": self.lead_ids.tolist(),
            "groups": None if self.groups is None else [str(g) for g in self.groups.tolist()],
            "fills": None if self.fills is None else self.fills.hash,
        }
        digest.update(json.dumps(head, sort_keys=True).encode())
        for start in range(0, len(self), _BLOCK):
            X = self.X[start : start + _BLOCK]
            # + 0.0 turns -0.0 into 0.0, and every NaN is written alike.
            digest.update(np.ascontiguousarray(np.where(np.isnan(X), np.nan, X + 0.0)).tobytes())
        watched = self.followed
        times = (
            ()
            if watched is None
            else (watched.row, watched.cutoff, watched.known_at, watched.worked_at, watched.age)
        )
        known = () if self.known_at is None else (self.known_at, self.is_mature)
        said = [self.said[name] for name in sorted(self.said)]
        for array in (
            self.y.astype(np.float64),
            self.weight,
            self.cutoffs,
            self.order,
            *known,
            *times,
            *said,
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def build_dataset(
    store: Store,
    *,
    goal: str = "qualified",
    horizon_days: int = 90,
    now: int,
    ages_days: Sequence[float] = DEFAULT_AGES_DAYS,
    features: FeatureSet | None = None,
    immature: str = "wait",
    own: Iterable[Feature | Mapping[str, Any]] = (),
) -> Dataset:
    """The rows of a store whose label is known at the instant ``now``; with ``immature="ipcw"`` the open ones too, without a label.

    Parameters
    ----------
    goal, horizon_days : what is predicted.
    ages_days : each lead gives one row at each of these ages, unless the goal or the end came first.
    immature : what becomes of rows whose horizon is still open; as in ``TrainConfig``.
    features : definitions to compute; by default the catalog's, ``own``, and one for every custom field.
    own : definitions added to the catalog's, as ``features.own`` makes them or as records of its TOML form.

    Raises
    ------
    NotEnoughDataError
        If the store holds no leads. Leads of which none is mature make a dataset without rows, for points set by hand.
    """
    # Labels need the whole store; importing them here keeps `import training.learning.dataset` light for flat tables.
    from data.asof import training_snapshots

    if goal not in GOALS:
        raise ConfigError(f"unknown goal {goal!r}{did_you_mean(goal, GOALS)}")
    added = own_features(own)
    chosen = with_own(default_features() if features is None else features, added)
    made = training_snapshots(
        store, goal=goal, horizon_days=horizon_days, now=now, ages_days=tuple(ages_days), immature=immature
    )
    snapshots = made.snapshots
    excluded = {str(k): int(v) for k, v in sorted(made.excluded.items())}
    if not len(snapshots) and not excluded:
        raise NotEnoughDataError("the store holds no leads; import some")
    features = with_custom_fields(chosen, snapshots) if features is None else chosen
    return Dataset(
        matrix=build_matrix(snapshots, features),
        snapshots=snapshots,
        y=np.where(made.y < 0, np.nan, made.y),
        weight=np.full(len(made.y), 1.0 / len(ages_days)),
        cutoffs=snapshots.cutoffs,
        order=snapshots.created_at,
        lead_ids=np.array(snapshots.lead_ids, dtype=object),
        goal=goal,
        features=features,
        horizon_days=horizon_days,
        now=now,
        excluded=excluded,
        notes=(*_notes(made.as_exported & features.fields), *unmatched(added, snapshots.ledger)),
        definition=label_definition(
            goal=goal,
            horizon_days=horizon_days,
            immature=immature,
            is_work_recorded=made.is_work_recorded,
        ),
        immature=immature,
        maturity=tuple(maturity_rows(made.followed, now=now, horizon_days=horizon_days)),
        known_at=made.known_at,
        followed=made.followed if immature == "ipcw" else None,
        fills=made.fills,
        own=added,
        said=made.said,
    )


def _notes(as_exported: frozenset[str]) -> tuple[str, ...]:
    if not as_exported:
        return ()
    return (
        f"{', '.join(sorted(as_exported))}: known only as on the day of an export, perhaps filled in after the outcome",
    )


def _numbered(texts: np.ndarray) -> np.ndarray:
    """Whole numbers by sorted text, so that they depend on the names and not on the order of arrival."""
    return np.unique(np.array([str(t) for t in texts.tolist()]), return_inverse=True)[1].astype(np.int64)
