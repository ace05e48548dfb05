"""All probes over a dataset's older leads, and the dataset without what they block.

Deterministic: the same data give the same findings. Nothing here reads the newest leads, so that what is dropped is not chosen by what
the model is judged on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from data.errors import ConfigError, NotEnoughDataError, did_you_mean
from features.matrix import Matrix
from features.spec import Feature, FeatureSet
from training.learning.dataset import Dataset
from training.learning.leakage.afterwards import afterwards
from training.learning.leakage.alone import alone, gap, strength_of
from training.learning.leakage.change import change
from training.learning.leakage.columns import columns_of, part_of
from training.learning.leakage.filled import filled
from training.learning.leakage.finding import Finding, in_order
from training.learning.leakage.known_fields import known_field
from training.learning.leakage.one_label import one_label


def find_leaks(dataset: Dataset, older: np.ndarray, *, allow: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Findings on the rows ``older`` of a dataset, blocked fields first.

    ``allow`` names fields that stay although they would be blocked; their findings become ``ok``.

    Raises
    ------
    ConfigError
        For a name in ``allow`` that is no field of the dataset.
    """
    known = {f.name for f in dataset.features} | dataset.features.fields
    if dataset.fills is not None:
        known |= set(dataset.fills.fields)
    for name in allow:
        if name not in known:
            raise ConfigError(
                f"[train] allow_fields names {name!r}, which is no field here{did_you_mean(name, known)}"
            )
    if not len(older):
        return ()
    part = part_of(dataset, older)
    columns = columns_of(dataset, part)
    exported = frozenset() if dataset.fills is None else dataset.fills.exported
    found: list[Finding | None] = []
    for column in columns:
        strength = strength_of(column, part)
        has_history = dataset.is_timed and not exported & set(column.feature.fields)
        found += [
            alone(column, strength),
            gap(column, strength),
            filled(column, part),
            one_label(column, part, n_columns=len(columns)),
            change(column, part),
            known_field(column, strength, has_history=has_history),
        ]
    if dataset.fills is not None:
        found += afterwards(dataset.fills, frozenset(dataset.lead_ids[older].tolist()))
    return in_order(_allowed(f, allow) for f in found if f is not None)


def blocked_fields(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Names of what is dropped, sorted."""
    return tuple(sorted({f.field for f in findings if f.action == "block"}))


def without_blocked(dataset: Dataset, findings: Iterable[Finding]) -> Dataset:
    """The dataset without every feature that reads a blocked field, and a note that says which fields are gone.

    Raises
    ------
    NotEnoughDataError
        When nothing is left to learn from.
    """
    names = blocked_fields(findings)
    kept = [j for j, feature in enumerate(dataset.features) if not _reads(feature, names)]
    if len(kept) == len(dataset.features):
        return dataset
    if not kept:
        raise NotEnoughDataError(
            f"every field knows the outcome ({', '.join(names)}), so none is left to learn from; "
            "name those that are known when a lead is scored in allow_fields"
        )
    features = FeatureSet(tuple(f for j, f in enumerate(dataset.features) if j in set(kept)))
    matrix = Matrix(
        features.names,
        np.ascontiguousarray(dataset.X[:, kept]),
        {name: levels for name, levels in dataset.matrix.levels.items() if name in set(features.names)},
    )
    note = f"left out because they seem to know the outcome: {', '.join(names)}; allow_fields brings them back by name"
    reduced = replace(dataset, matrix=matrix, features=features, notes=(*dataset.notes, note))
    # The hash stands for the data that came in: whoever builds the same dataset again must find the same one.
    reduced.__dict__["data_hash"] = dataset.data_hash
    return reduced


def _reads(feature: Feature, names: Sequence[str]) -> bool:
    return feature.name in names or not set(feature.fields).isdisjoint(names)


def _allowed(finding: Finding, allow: Sequence[str]) -> Finding:
    if finding.action != "block" or finding.field not in allow:
        return finding
    return replace(finding, action="ok", says=f"{finding.says}; kept, because allow_fields names it")
