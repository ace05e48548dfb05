"""Snapshots of many leads from the store: rows to learn from, and leads to score.

Both follow ``data.snapshots``: a row holds only what had happened and had been received by its cutoff, whether it is read here in
bulk or there from one lead's history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.account_spans import spans_of
from data.accounts import Accounts, Spans, hashes
from data.columns import TrainingTables
from data.definition import IMMATURE
from data.domain import DAY
from data.errors import ConfigError, did_you_mean
from data.fills import Fills, fills_of
from data.labels import REASONS, is_work_recorded, label_rows
from data.snapshots import LeadHistory, ProfileVersion, Snapshots, Value, field_columns, snapshots_of

if TYPE_CHECKING:
    from data.store import Store

# Up to here reading lead by lead is quicker than reading the store from end to end.
_FEW = 2_000


@dataclass(frozen=True, slots=True)
class Followed:
    """Every row (lead, cutoff) that had begun by now, whether its label is known or not; shape (m,) each.

    Attributes
    ----------
    row : its number among the training rows, -1 where it is none (unworked, or not known to be worked yet).
    cutoff, known_at : instants; ``known_at`` of an immature row is the end of its horizon.
    worked_at : instants from which the lead is known to be worked; the cutoff where work is not recorded.
    age : whole numbers, which of the ages the row was taken at, youngest first.
    is_goal : bool, the goal is known to have been reached at ``known_at``.
    """

    row: np.ndarray
    cutoff: np.ndarray
    known_at: np.ndarray
    worked_at: np.ndarray
    age: np.ndarray
    is_goal: np.ndarray


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """What a model learns from.

    Attributes
    ----------
    snapshots : n rows (lead, cutoff), by (created_at, lead_id, cutoff).
    y : int8 array, shape (n,): 1 where the goal came within the horizon after the cutoff, -1 for a row still open, else 0.
    weight : float64 array, shape (n,): each lead's rows sum to 1.
    excluded : rows left out, by reason; see ``data.labels.label_rows``. ``merged``: the lead had been merged into another.
    as_exported : profile fields that some row knows only as they were on the day of an export.
    known_at : int64 array, shape (n,): the instant from which the label is used.
    followed : how long every row, immature ones too, has been watched.
    is_work_recorded : whether the store says which leads were worked; only then are unworked leads left out.
    fills : when closed leads got their fields.
    said : what else sales said by the end of each row's horizon, shape (n,) each; see ``data.labels.Labels``.
    """

    snapshots: Snapshots
    y: np.ndarray
    weight: np.ndarray
    excluded: Mapping[str, int]
    as_exported: frozenset[str]
    known_at: np.ndarray
    followed: Followed
    is_work_recorded: bool
    fills: Fills
    said: Mapping[str, np.ndarray]


def training_snapshots(
    store: Store,
    *,
    goal: str,
    horizon_days: float,
    now: int,
    ages_days: Sequence[float],
    immature: str = "wait",
) -> TrainingRows:
    """Labelled snapshots of every created lead at several ages.

    A lead's age counts from when it was created and known here: at the later of ``created_at`` and the time its first message was
    received, because no earlier moment could have been scored. Leads that were never created (touchpoints of unknown visitors) are
    no rows. A lead that was merged into another has no rows from the instant that is known (``merged``); its earlier rows stay, as it
    would have been scored then.

    ``immature`` says what becomes of rows whose horizon is open at ``now``. ``wait``: left out until it has passed, decided or not.
    ``ipcw``: all that are decided or known to be worked are rows, those undecided without a label. Two naive choices to compare
    with: ``drop`` takes the decided as if they were all, ``negative`` takes the undecided as negatives.

    Raises
    ------
    ConfigError
        For an unknown goal or ``immature``, a horizon not above 0, or ages that are negative or missing.
    """
    if immature not in IMMATURE:
        raise ConfigError(f"unknown immature {immature!r}{did_you_mean(immature, IMMATURE)}")
    ages = sorted({round(age * DAY) for age in ages_days})
    if not ages or ages[0] < 0:
        raise ConfigError(f"ages_days must be days from 0 upwards, at least one; it is {list(ages_days)}")
    tables = store.read_training()
    born = np.maximum(tables.created_at, tables.received_at)
    lead = np.repeat(np.arange(len(born)), len(ages))
    cutoffs = np.repeat(born, len(ages)) + np.tile(np.array(ages, dtype=np.int64), len(born))
    is_merged = (cutoffs >= tables.merged_at[lead]) & (tables.merged_at[lead] <= now)
    lead, cutoffs = lead[~is_merged], cutoffs[~is_merged]
    labels = label_rows(
        [tables.lead_ids[i] for i in lead],
        cutoffs,
        tables.outcomes,
        goal=goal,
        horizon_days=horizon_days,
        now=now,
    )
    ends = cutoffs + round(horizon_days * DAY)
    has_label, begun = labels.y >= 0, cutoffs <= now
    is_immature = labels.reason == REASONS.index("immature")
    kept, excluded = has_label, labels.counts()
    if immature == "wait":
        kept = has_label & (ends <= now)
    elif immature == "ipcw":
        kept = has_label | (is_immature & begun & (labels.worked_at <= now))
    elif immature == "negative":
        kept = has_label | (is_immature & begun)
    if n := int(has_label.sum() + is_immature.sum() - kept.sum()):
        excluded["immature"] = n
    else:
        excluded.pop("immature", None)
    if is_merged.any():
        excluded["merged"] = int(is_merged.sum())
    watched = begun & np.isin(labels.reason, [REASONS.index(name) for name in ("", "immature", "unworked")])
    followed = Followed(
        row=np.where(kept, np.cumsum(kept) - 1, -1)[watched],
        cutoff=cutoffs[watched],
        known_at=labels.known_at[watched],
        worked_at=labels.worked_at[watched],
        age=np.tile(np.arange(len(ages)), len(born))[~is_merged][watched],
        is_goal=(labels.y == 1)[watched],
    )
    lead, cutoffs = lead[kept], cutoffs[kept]
    n_rows = np.bincount(lead, minlength=len(born))
    return TrainingRows(
        snapshots=table_snapshots(tables, lead, cutoffs, spans=_spans(tables)),
        y=labels.y[kept] if immature == "ipcw" else np.maximum(labels.y[kept], 0),
        weight=1.0 / n_rows[lead],
        excluded=excluded,
        as_exported=_as_exported(tables, np.unique(lead)),
        known_at=(ends if immature == "wait" else labels.known_at)[kept],
        followed=followed,
        is_work_recorded=is_work_recorded(tables.outcomes, now=now),
        fills=fills_of(tables, goal=goal, now=now),
        said={name: column[kept] for name, column in labels.said.items()},
    )


def snapshots_at(store: Store, lead_ids: Sequence[str], *, cutoff: int) -> Snapshots:
    """Snapshots of these leads at one cutoff, in the order given; ids of which nothing was known by then are left out."""
    if len(lead_ids) <= _FEW:
        histories = store.histories(lead_ids, cutoff=cutoff)
        return _few_snapshots(store, lead_ids, histories, cutoff)
    tables = store.read_training()
    place = {
        lead_id: position
        for position, lead_id in enumerate(tables.lead_ids)
        if tables.received_at[position] <= cutoff
    }
    # Leads that were not created by then, but may have touchpoints, are few: they go the slow way.
    rest = store.histories([i for i in dict.fromkeys(lead_ids) if i not in place], cutoff=cutoff)
    if rest:
        histories = store.histories(lead_ids, cutoff=cutoff)
        return _few_snapshots(store, lead_ids, histories, cutoff)
    rows = np.array([place[i] for i in lead_ids if i in place], dtype=np.int64)
    return table_snapshots(tables, rows, np.full(len(rows), cutoff, dtype=np.int64), spans=_spans(tables))


def _few_snapshots(
    store: Store, lead_ids: Sequence[str], histories: Mapping[str, LeadHistory], cutoff: int
) -> Snapshots:
    return snapshots_of(
        [(histories[i], cutoff) for i in lead_ids if i in histories],
        beside=lambda accounts: store.account_spans(accounts, cutoff=cutoff),
    )


def table_snapshots(
    tables: TrainingTables, lead: np.ndarray, cutoffs: np.ndarray, *, spans: Spans | None
) -> Snapshots:
    """Snapshots of leads at positions ``lead``; many rows share a profile, which is folded once.

    ``spans`` are those of all leads; None where no feature reads them.
    """
    profiles: list[dict[str, Value]] = [{}]
    which = np.zeros(len(lead), dtype=np.int64)
    own: list[ProfileVersion] = []
    places: dict[tuple[int, ...], int] = {}
    before = -1
    told = np.zeros(len(tables.lead_ids), dtype=bool)
    told[list(tables.patches)] = True
    rows = np.flatnonzero(told[lead])
    for row, position, cutoff in zip(rows.tolist(), lead[rows].tolist(), cutoffs[rows].tolist(), strict=True):
        if position != before:
            own = [
                ProfileVersion(o, r, json.loads(f), e, i)
                for o, r, f, e, i in tables.patches.get(position, ())
            ]
            places, before = {(): 0}, position
        seen = tuple(k for k, p in enumerate(own) if p.observed_at <= cutoff and p.received_at <= cutoff)
        if seen not in places:
            places[seen] = len(profiles)
            profiles.append(LeadHistory("", 0, profiles=own).profile_at(cutoff))
        which[row] = places[seen]
    return Snapshots(
        lead_ids=tuple(tables.lead_ids[i] for i in lead),
        cutoffs=cutoffs,
        created_at=tables.created_at[lead],
        fields={name: column[which] for name, column in field_columns(profiles).items()},
        ledger=tables.ledger,
        start=tables.start[lead],
        stop=tables.stop[lead],
        accounts=None if spans is None else Accounts(spans, _standing(tables, lead, cutoffs)),
    )


def _spans(tables: TrainingTables) -> Spans:
    return spans_of(tables.patches, tables.lead_ids, tables.merged_at)


def _standing(tables: TrainingTables, lead: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """Hashes of the leads that these are part of at the cutoffs: their own unless they had been merged into another."""
    standing = lead.copy()
    for row in np.flatnonzero(tables.merged_at[lead] <= cutoffs).tolist():
        for heir, since in tables.heirs[tables.lead_ids[lead[row]]]:
            if max(since, tables.received_at[heir]) <= cutoffs[row] < tables.merged_at[heir]:
                standing[row] = heir
    return hashes(tables.lead_ids)[standing]


def _as_exported(tables: TrainingTables, leads: np.ndarray) -> frozenset[str]:
    patches = (patch for position in leads.tolist() for patch in tables.patches.get(position, ()))
    return frozenset(
        name for *_, fields, is_exported, _ in patches if is_exported for name in json.loads(fields)
    )
