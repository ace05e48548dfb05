"""What an aggregation means is numbered; nobody changes its values without raising the number."""

from __future__ import annotations

import hashlib
import math

import pytest

from data.accounts import Spans
from data.domain import DAY, HOUR
from data.errors import OtherDefinitionsError
from data.snapshots import LeadHistory, Snapshots, snapshots_of
from features.catalog import default_features
from features.matrix import build_matrix
from features.meaning import MEANING, check_meanings, meanings
from features.spec import AGGREGATIONS, DERIVATIONS, Feature, FeatureSet
from tests.features.histories import BEFORE_1970, NOON, lead, touchpoint
from tests.features.test_executor import define

TITLES = (
    "CEO", "Geschäftsführer (m/w/d)", "Directrice commerciale", "Jefa de compras", "VP Sales", "Head of Data", "Praktikantin", "Wizard",
    "Sachbearbeiter Einkauf", "Ingénieur logiciel", "Senior Account Executive", "Assistant to the CEO", "Team Lead Support", "DRH",
    "Produktmanagerin", None,
)  # fmt: skip
EMAILS = ("a@gmail.com", "b@acme.io", "c@uni-koeln.de", "d@service.gov.uk", "e", None)
SIZES = ("1-10", "11-50 employees", "2000+", "5k-10k", "Self-employed", None)

BESIDE = Spans.of(
    ("acme.io" if k % 3 else "uni-koeln.de", f"l{k}", NOON - k * DAY, NOON - (k % 4) * DAY + 1)
    for k in range(4, 40)
)


def _pick(among, *place):
    """One of them by a hash of the place: random numbers of numpy may change from version to version."""
    digest = hashlib.sha256(repr(place).encode()).digest()
    return among[int.from_bytes(digest[:4]) % len(among)]


def invented_leads() -> Snapshots:
    """Leads with every kind of touchpoint, tied, late and null ones too, the same on every machine."""
    rows: list[tuple[LeadHistory, int]] = [(lead(), NOON)]
    for i in range(60):
        cutoff = BEFORE_1970 if i % 10 == 0 else NOON
        own = [
            touchpoint(
                cutoff
                - _pick((0, HOUR // 3, HOUR, DAY, 9 * DAY), i, k, "step") * _pick(range(5), i, k, "steps"),
                touchpoint_id=str(k),
                type=_pick(("page_view", "pricing_view", "email_click"), i, k, "type"),
                channel=_pick((None, "email", "direct", "paid_search"), i, k, "channel"),
                campaign=_pick((None, "spring", "autumn"), i, k, "campaign"),
                content=_pick(("a", "b", "c", "d", None), i, k, "content"),
                direction=_pick(("inbound", "outbound", None), i, k, "direction"),
                value=_pick((None, 0.1, 2.5, -3.0, math.inf), i, k, "value"),
            )
            for k in range(_pick(range(12), i, 0, "n"))
        ]
        known = {
            "title": TITLES[i % len(TITLES)], "email": EMAILS[i % len(EMAILS)], "company_size": SIZES[i % len(SIZES)],
            "industry": [" Steel", "retail", None][i % 3], "employees": [12.0, 1e9, None][i % 3],
        }  # fmt: skip
        fields = {name: value for name, value in known.items() if value is not None}
        rows.append((lead(*own, created_at=cutoff - i * DAY, **fields), cutoff))
    return snapshots_of(rows, beside=lambda _: BESIDE)


def definition(agg: str) -> Feature:
    if agg in (*AGGREGATIONS, "account_leads"):
        return define(agg, window_days=14)
    column = {"field_text": "industry", "field_number": "employees"}.get(agg)
    return Feature(name=agg, agg=agg, group="fit", says="{value}", topic="t", column=column)


def fingerprint(agg: str) -> str:
    matrix = build_matrix(invented_leads(), FeatureSet((definition(agg),)))
    values = [matrix.text(i, agg) if matrix.levels else float(v).hex() for i, v in enumerate(matrix.X[:, 0])]
    return hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()[:12]


# (meaning, fingerprint of the values on the invented leads)
KNOWN = {
    "count": (1, "9a7c34bae3b5"),
    "sum": (1, "e92b833518a2"),
    "mean": (1, "a442bc2e9a0d"),
    "min": (1, "786d7d2dd239"),
    "max": (1, "63d55d65a71a"),
    "nunique": (1, "15df512c9e14"),
    "recency": (1, "44ec6e145b1e"),
    "age": (1, "1a4d30ca8f4a"),
    "first": (1, "01cfaac58d09"),
    "last": (1, "e78a0e422a80"),
    "nth": (1, "c0e3b7f841a3"),
    "decay": (1, "c4eeeb8aec6e"),
    "gap_mean": (1, "23048150f725"),
    "gap_max": (1, "c0c8dba4afd0"),
    "diff": (1, "6c9d8c8a60ab"),
    "trend": (1, "7977f5e91b39"),
    "share": (1, "a3b8f47978fa"),
    "sessions": (1, "26cf1fb842d5"),
    "session_size": (1, "0945c149611f"),
    "business_hours": (1, "60eeb96266e7"),
    "weekend": (1, "452b11954bad"),
    "streak": (1, "837bd2227c26"),
    "streak_now": (1, "06cc585577bc"),
    "field_text": (1, "579f76102cb1"),
    "field_number": (1, "77b255daeceb"),
    "seniority": (2, "79cfe47e2f32"),
    "job_function": (2, "50fa6449dcaa"),
    "domain_kind": (1, "ffee7a153057"),
    "size_band": (1, "2b3d55371a0f"),
    "seniority_by_size": (1, "3ed3bfb23e1d"),
    "completeness": (1, "1ab2efad41bd"),
    "days_since_created": (1, "24189f631fcd"),
    "account_leads": (1, "5b54801eb29d"),
}


@pytest.mark.parametrize("agg", AGGREGATIONS + DERIVATIONS)
def test_values_that_change_get_a_new_number(agg):
    """Fails when values change: raise the number in ``features.meaning``, so that older models are refused, and renew the line above."""
    assert (MEANING[agg], fingerprint(agg)) == KNOWN[agg]


def test_fingerprints_tell_aggregations_apart():
    assert len({fingerprint(agg) for agg in AGGREGATIONS}) == len(AGGREGATIONS)


def test_a_model_passes_where_its_features_mean_the_same():
    own = meanings(default_features())
    assert set(own) == {f.agg for f in default_features()}
    check_meanings(own)
    check_meanings({})


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ({"count": 1, "decay": 2}, r"decay \(2 there, 1 here\); serve"),
        ({"count": 0}, r"count \(0 there"),
        ({"median": 1}, r"median \(1 there, unknown here\)"),
    ],
)
def test_a_model_whose_features_mean_something_else_is_refused(recorded, said):
    with pytest.raises(OtherDefinitionsError, match=said):
        check_meanings(recorded)
