"""Random and hand-written lead histories: tied, late, future, duplicated, before 1970, with nulls and odd texts."""

from __future__ import annotations

from hypothesis import strategies as st

from data.domain import DAY, HOUR, SECOND, Touchpoint, parse_instant
from data.snapshots import LeadHistory, ProfileVersion

NOON = parse_instant("2026-03-08T12:00:00Z", name="noon")
BEFORE_1970 = parse_instant("1969-12-31T12:00:00Z", name="noon")

# Nights on which clocks in Europe and America were put forward or back; in UTC nothing happens.
CLOCK_CHANGES = tuple(
    parse_instant(text, name="change")
    for text in (
        "2026-03-29T01:00:00Z", "2025-10-26T01:00:00Z", "2026-03-08T07:00:00Z", "2025-11-02T06:00:00Z",
    )
)  # fmt: skip

# Steps that fall on, just inside and just outside the windows of the features.
_STEPS = [
    0,
    1,
    SECOND,
    30 * 60 * SECOND,
    30 * 60 * SECOND + 1,
    HOUR,
    10 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY - 1,
    7 * DAY,
    7 * DAY + 1,
    14 * DAY - 1,
    14 * DAY,
    30 * DAY,
    30 * DAY - 1,
    400 * DAY,
]
_TYPES = ["page_view", "pricing_view", "email_click", "webinar", "demo_request", "call"]
_TEXTS = [None, "paid_search", "e\u0301te\u0301", "\u00e9t\u00e9", "\u6771\u4eac", "", "\U0001f600"]
_VALUES = [None, 0.0, -0.0, 0.1, 0.2, 0.3, 1e16, -1e16, 1.7e308, float("nan"), float("inf"), float("-inf")]

cutoffs = st.sampled_from([NOON, NOON - 7 * DAY, NOON - 1, BEFORE_1970, *CLOCK_CHANGES[:2]])


@st.composite
def instants(draw) -> int:
    around = draw(st.one_of(cutoffs, st.sampled_from(CLOCK_CHANGES)))
    step = draw(st.one_of(st.sampled_from(_STEPS), st.integers(0, 90 * DAY)))
    return around + draw(st.sampled_from([-1, -1, -1, 1])) * step


@st.composite
def touchpoint_lists(draw, *, max_size: int = 12) -> list[Touchpoint]:
    own = []
    for i in range(draw(st.integers(0, max_size))):
        occurred = draw(instants())
        delay = draw(st.sampled_from([None, None, 0, 1, HOUR, 30 * DAY, -DAY]))
        own.append(
            Touchpoint(
                touchpoint_id=f"t{i}",
                lead_id="ada",
                occurred_at=occurred,
                type=draw(st.sampled_from(_TYPES)),
                channel=draw(st.sampled_from(_TEXTS)),
                campaign=draw(st.sampled_from(_TEXTS)),
                content=draw(st.sampled_from(_TEXTS)),
                direction=draw(st.sampled_from(["inbound", "outbound", None])),
                value=draw(st.sampled_from(_VALUES)),
                received_at=None if delay is None else occurred + delay,
                source=draw(st.sampled_from(["web", "crm"])),
            )
        )
    again = draw(st.lists(st.sampled_from(own), max_size=4)) if own else []
    return draw(st.permutations(own + again))


_FIELD_VALUES = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            "  ",
            "CEO",
            "Head of Sales",
            " head of sales ",
            "200-499",
            "ada@gmail.com",
            "acme.com",
            "X",
            "x",
            "12",
        ]
    ),
    st.text(max_size=8),
    st.sampled_from([0.0, -0.0, 1.0, 1, 300, 2.5, float("nan"), float("inf"), True, False]),
)
_FIELD_NAMES = [
    "title",
    "seniority",
    "email",
    "company_domain",
    "employees",
    "company_size",
    "industry",
    "country",
    "x_plan",
]
profiles = st.dictionaries(st.sampled_from(_FIELD_NAMES), _FIELD_VALUES, max_size=6)


@st.composite
def lead_histories(draw) -> LeadHistory:
    created = draw(instants())
    known = draw(profiles)
    return LeadHistory(
        lead_id="ada",
        created_at=created,
        profiles=[ProfileVersion(observed_at=BEFORE_1970 - DAY, received_at=BEFORE_1970 - DAY, fields=known)],
        touchpoints=draw(touchpoint_lists()),
    )


def touchpoint(at: int, **columns) -> Touchpoint:
    """A page view at an instant; ``columns`` override."""
    columns.setdefault("touchpoint_id", f"{at}-{columns.get('type', '')}-{columns.get('value', '')}")
    columns.setdefault("type", "page_view")
    return Touchpoint(lead_id="ada", occurred_at=at, **columns)


def lead(*touchpoints: Touchpoint, created_at: int = NOON - 30 * DAY, **fields) -> LeadHistory:
    """A lead whose profile was always known."""
    known = ProfileVersion(observed_at=0, received_at=0, fields=fields)
    return LeadHistory("ada", created_at, [known] if fields else [], touchpoints)
