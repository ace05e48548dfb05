"""Rows of one file that say the same thing, or two things about one id.

Which of them stays never depends on the order of the rows: of touchpoints and outcomes the one received first, of profiles stated at one
time the first by content.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from data.sources.reading import Fields

_SAYING = {
    "touchpoints": ("lead_id", "type", "channel", "campaign", "content", "direction", "value"),
    "outcomes": ("lead_id", "kind", "undoes", "amount"),
    "links": ("from_id", "lead_id"),
}
ID_OF = {"touchpoints": "touchpoint_id", "outcomes": "outcome_id", "links": "link_id"}


def give_ids(fields: Fields, kind: str, rows: np.ndarray) -> None:
    """Fill in missing ids of these rows with a hash of what the row says (not of when it was received).

    The same row always gets the same id, so two rows that say the same are one.
    """
    name = ID_OF[kind]
    ids = fields.columns.get(name)
    if ids is None:
        ids = fields.columns[name] = np.full(fields.n, None, dtype=object)
    rows = rows[pd.isna(ids[rows])]
    # A link is the same whenever it is stated; what else happens twice is two.
    parts = [] if kind == "links" else [fields.columns["occurred_at"][rows].tolist()]
    for column in _SAYING[kind]:
        if column in fields.columns:
            parts.append(fields.columns[column][rows].tolist())
        else:
            parts.append([None] * len(rows))
    for row, said in zip(rows.tolist(), zip(*parts, strict=True), strict=True):
        # NaN and None both say "not known".
        key = repr(tuple(None if v != v else v for v in said))
        ids[row] = hashlib.blake2b(key.encode(), digest_size=12).hexdigest()


def without_duplicates(fields: Fields, kind: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows (positions) to add, in the order to add them; and those left out that say something else under the same id."""
    nothing = np.zeros(0, dtype=np.int64)
    if kind == "leads":
        return _lead_rows(fields, rows), nothing
    code, _ = pd.factorize(fields.columns[ID_OF[kind]][rows])
    shared = np.bincount(code)[code] > 1
    if not shared.any():
        return rows, nothing
    occurred = fields.columns["occurred_at"]
    received = occurred
    if "received_at" in fields.columns:
        received = np.where(fields.is_given["received_at"], fields.columns["received_at"], occurred)
    some = rows[shared]
    frame = pd.DataFrame({"code": code[shared], "received": received[some], "occurred": occurred[some]})
    frame["said"] = _said(fields, some, _SAYING[kind])
    frame = frame.sort_values(["code", "received", "occurred", "said"], kind="stable")
    first = some[frame.drop_duplicates("code").index.to_numpy()]
    by_id = frame.groupby("code", sort=False)
    is_other = np.zeros(len(frame), dtype=bool)
    for said in ("said",) if kind == "links" else ("occurred", "said"):
        is_other |= (frame[said] != by_id[said].transform("first")).to_numpy()
    others = np.sort(some[frame.index.to_numpy()[is_other]])
    return np.sort(np.concatenate([rows[~shared], first])), others


def _lead_rows(fields: Fields, rows: np.ndarray) -> np.ndarray:
    code, _ = pd.factorize(fields.columns["lead_id"][rows])
    shared = np.bincount(code)[code] > 1
    if not shared.any():
        return rows
    some = rows[shared]
    observed = np.full(len(some), -1)
    if "observed_at" in fields.columns:
        given = fields.is_given["observed_at"][some]
        observed = np.where(given, fields.columns["observed_at"][some], -1)
    frame = pd.DataFrame(
        {"code": code[shared], "created": fields.columns["created_at"][some], "observed": observed}
    )
    frame["said"] = [
        repr(tuple((name, column[row]) for name, column in fields.profile.items())) for row in some.tolist()
    ]
    frame = frame.sort_values(["code", "created", "observed", "said"], kind="stable")
    # A lead's rows follow each other from the earliest, because the first creates it.
    first = frame.drop_duplicates(["code", "observed"])
    return np.concatenate([rows[~shared], some[first.index.to_numpy()]])


def _said(fields: Fields, rows: np.ndarray, names: tuple[str, ...]) -> list[str]:
    columns = [fields.columns[n] for n in names if n in fields.columns]
    return [repr(tuple(column[row] for column in columns)) for row in rows.tolist()]
