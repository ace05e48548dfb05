"""Small worlds for property tests: few ids and few instants, so that ties, repeats and late arrivals are the rule."""

from __future__ import annotations

from hypothesis import strategies as st

from data.domain import DAY, OUTCOME_KINDS, Lead, Link, Outcome, Touchpoint

LEADS = ("ada", "bob", "Ärne")
VISITORS = ("visitor-1", "visitor-2", "visitor-3")
IDS = LEADS + VISITORS


def outcomes_of_one_lead(*, unit: int = 1, last: int = 50) -> st.SearchStrategy[list[Outcome]]:
    """Up to eight outcomes of "ada" with distinct (source, id); some undo others, some came late."""
    ids = st.sampled_from([str(n) for n in range(6)])
    instants = st.integers(0, last).map(lambda n: n * unit)
    outcome = st.builds(
        Outcome,
        outcome_id=ids,
        lead_id=st.just("ada"),
        kind=st.sampled_from(OUTCOME_KINDS),
        occurred_at=instants,
        undoes=st.none() | ids,
        received_at=st.none() | instants,
        source=st.sampled_from(["crm", "dialer"]),
    )
    return st.lists(outcome, max_size=8, unique_by=lambda o: (o.source, o.outcome_id))


days = st.integers(0, 40).map(lambda n: n * DAY)
_texts = st.sampled_from(["a", "b", "Ö", "ß"])


def leads(ids: tuple[str, ...] = LEADS) -> st.SearchStrategy[list[Lead]]:
    """Statements about leads, several about one among them."""
    profile = st.builds(
        dict.__or__,
        st.dictionaries(st.sampled_from(["country", "industry", "x_plan"]), _texts, max_size=3),
        st.dictionaries(st.just("company"), st.sampled_from(["Acme", "Bolt Ltd", "n/a"]), max_size=1),
    )
    lead = st.builds(
        Lead,
        lead_id=st.sampled_from(ids),
        created_at=days,
        profile=profile,
        observed_at=days,
        received_at=st.none() | days,
        as_exported=st.booleans(),
    )
    return st.lists(lead, max_size=8)


def touchpoints(ids: tuple[str, ...] = LEADS, *, prefix: str = "") -> st.SearchStrategy[list[Touchpoint]]:
    """Touchpoints with distinct (source, id), many of them at one instant."""
    touchpoint = st.builds(
        Touchpoint,
        touchpoint_id=st.integers(0, 20).map(lambda n: f"{prefix}{n}"),
        lead_id=st.sampled_from(ids),
        occurred_at=days,
        type=st.sampled_from(["page_view", "form"]),
        channel=st.none() | _texts,
        campaign=st.none() | _texts,
        content=st.none() | _texts,
        direction=st.none() | st.sampled_from(["in", "out"]),
        value=st.none() | st.floats(-5, 5),
        received_at=st.none() | days,
        source=st.sampled_from(["segment", "crm"]),
    )
    return st.lists(touchpoint, max_size=12, unique_by=lambda t: (t.source, t.touchpoint_id))


def outcomes(ids: tuple[str, ...] = LEADS, *, prefix: str = "") -> st.SearchStrategy[list[Outcome]]:
    """Outcomes with distinct ids."""
    outcome = st.builds(
        Outcome,
        outcome_id=st.integers(0, 12).map(lambda n: f"{prefix}{n}"),
        lead_id=st.sampled_from(ids),
        kind=st.sampled_from(OUTCOME_KINDS),
        occurred_at=days,
        undoes=st.none() | st.integers(0, 12).map(lambda n: f"{prefix}{n}"),
        received_at=st.none() | days,
    )
    return st.lists(outcome, max_size=8, unique_by=lambda o: o.outcome_id)


def links(ids: tuple[str, ...] = IDS, *, prefix: str = "") -> st.SearchStrategy[list[Link]]:
    """Links with distinct ids: late, chained, in circles, several of one id."""
    link = st.builds(
        Link,
        link_id=st.integers(0, 12).map(lambda n: f"{prefix}{n}"),
        from_id=st.sampled_from(ids),
        lead_id=st.sampled_from(ids),
        occurred_at=days,
        received_at=st.none() | days,
        source=st.sampled_from(["segment", "crm"]),
    )
    return st.lists(link, max_size=8, unique_by=lambda k: (k.source, k.link_id))
