"""HubSpot's events: read in any order and more than once, and none of them can spoil its batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.domain import DAY, HOUR, SECOND
from data.errors import ConfigError
from data.sources.hubspot import HubSpotRules, load_hubspot_rules, read_events
from data.store import Store
from tests.data.test_privacy import clear

NOW = 20_000 * DAY
RULES = HubSpotRules()


def event(action: str = "propertyChange", **members: Any) -> dict[str, Any]:
    """An event as HubSpot sends it; a member that is None is left out."""
    made = {
        "eventId": 1, "subscriptionId": 12345, "portalId": 62515, "appId": 54321, "occurredAt": (NOW - HOUR) // 1_000,
        "subscriptionType": f"contact.{action}", "attemptNumber": 0, "objectId": 123, "changeSource": "CRM", **members,
    }  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


def change(name: str, value: str | None, **members: Any) -> dict[str, Any]:
    return {**event(**members), "propertyName": name, "propertyValue": value}


def test_a_creation_is_a_lead_and_a_property_a_field_of_it():
    """HubSpot's published example, but for its year."""
    news = read_events([change("jobtitle", " CTO "), event("creation", changeFlag="NEW")], RULES, now=NOW)
    assert [(lead.lead_id, lead.created_at, dict(lead.profile)) for lead in news.leads] == [
        ("123", NOW - HOUR, {"title": "CTO"}),
        ("123", NOW - HOUR, {}),
    ]
    assert {(lead.observed_at, lead.received_at) for lead in news.leads} == {(NOW - HOUR, NOW)}
    assert (news.n_ignored, news.unusable) == (0, [])


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("lifecyclestage", "salesqualifiedlead", "qualified"),
        ("lifecyclestage", "opportunity", "opportunity"),
        ("lifecyclestage", "customer", "won"),
        ("hs_lead_status", "CONNECTED", "contacted"),
        ("hs_lead_status", "UNQUALIFIED", "disqualified"),
        ("lifecyclestage", "lead", None),
        ("lifecyclestage", "", None),
        ("lifecyclestage", "98765", None),  # a stage of the portal's own
    ],
)
def test_a_stage_is_an_outcome_and_never_a_field(name: str, value: str, kind: str | None):
    news = read_events([change(name, value)], RULES, now=NOW)
    assert [(o.kind, o.lead_id, o.occurred_at, o.source) for o in news.outcomes] == (
        [] if kind is None else [(kind, "123", NOW - HOUR, "hubspot")]
    )
    assert (news.leads, news.n_ignored) == ([], int(kind is None))


@pytest.mark.parametrize(
    "silent",
    [
        event("deletion"),
        event("restore"),
        event(subscriptionType="contact.associationChange"),
        event(subscriptionType="deal.creation"),
        event(subscriptionType="conversation.newMessage"),
        event(subscriptionType="object.creation", objectTypeId="0-3"),
        event(subscriptionType="object.creation"),
        change("firstname", "Ada"),
        change("jobtitle", ""),
        change("jobtitle", None),
        change("hs_lead_status", "NEW"),
    ],
)
def test_what_says_nothing_about_a_lead_is_ignored(silent: dict[str, Any]):
    news = read_events([silent], RULES, now=NOW)
    assert (news.n_ignored, news.unusable, news.leads, news.outcomes) == (1, [], [], [])


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("text", "must be an object"),
        (None, "must be an object"),
        (event(subscriptionType=None), "subscriptionType must be text"),
        (event(subscriptionType=7), "subscriptionType must be text"),
        (event("creation", objectId=None), "objectId must be a non-empty text"),
        (event("creation", objectId=[1]), "objectId must be a non-empty text"),
        (event("creation", objectId=True), "objectId must be a non-empty text"),
        (event("creation", portalId=None), "portalId must be"),
        (event("creation", portalId={"a": 1}), "portalId must be"),
        (event("creation", portalId="\ud800"), "portalId holds a character"),
        (event("creation", occurredAt=None), "occurredAt must be milliseconds"),
        (event("creation", occurredAt="2026-01-01"), "occurredAt must be milliseconds"),
        (event("creation", occurredAt=True), "occurredAt must be milliseconds"),
        (event("creation", occurredAt=10**30), "occurredAt must be milliseconds"),
        (event("creation", occurredAt=(NOW + HOUR) // 1_000), "5 minutes in the future"),
        (change("jobtitle", None, subscriptionType="contact.propertyChange") | {"propertyValue": 7}, "must be text"),
        (event(), "propertyName and propertyValue must be text"),
        (change("jobtitle", "x" * 1_001), "title must be at most 1000 characters"),
        (change("company", "a\x00b"), "company contains characters"),
        (event("merge", primaryObjectId=1), "mergedObjectIds must be a list"),
        (event("merge", mergedObjectIds=[2]), "primaryObjectId must be"),
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_used_spoils_no_other(broken: object, why: str):
    news = read_events([event("creation"), broken, change("jobtitle", "CTO")], RULES, now=NOW)
    assert len(news.leads) == 2
    [(lead_id, said, kept)] = news.unusable
    assert why in said
    assert kept is broken
    wanted = None if not isinstance(broken, dict) or broken.get("objectId") not in (123,) else "123"
    assert lead_id == wanted


def test_generic_subscriptions_name_the_type_by_a_number():
    news = read_events([event(subscriptionType="object.creation", objectTypeId="0-1")], RULES, now=NOW)
    assert [lead.lead_id for lead in news.leads] == ["123"]


def test_a_clock_a_little_ahead_counts_as_now_and_is_known_when_it_comes_again():
    ahead = (NOW + 60 * SECOND) // 1_000
    events = [event("creation", occurredAt=ahead), change("lifecyclestage", "customer", occurredAt=ahead)]
    first, again = (read_events(events, RULES, now=now) for now in (NOW, NOW + SECOND))
    assert first.leads[0].created_at == NOW
    assert first.outcomes[0].occurred_at == NOW
    assert first.outcomes[0].outcome_id == again.outcomes[0].outcome_id


@pytest.mark.parametrize(
    ("members", "links"),
    [
        ({"primaryObjectId": 1, "mergedObjectIds": [2, 3]}, [("2", "1"), ("3", "1")]),
        ({"primaryObjectId": 1, "mergedObjectIds": [2], "newObjectId": 9}, [("1", "9"), ("2", "9")]),
        ({"primaryObjectId": 1, "mergedObjectIds": [2, 1, 2], "newObjectId": 1}, [("2", "1")]),
    ],
)
def test_a_merge_links_what_was_merged_to_what_it_became(
    members: dict[str, Any], links: list[tuple[str, str]]
):
    news = read_events([event("merge", objectId=None, **members)], RULES, now=NOW)
    assert [(link.from_id, link.lead_id) for link in news.links] == links


def test_events_of_another_portal_are_of_other_people():
    rules = HubSpotRules(portal_id="62515")
    news = read_events([event("creation"), event("creation", portalId=7)], rules, now=NOW)
    assert len(news.leads) == 1
    assert "another portal" in news.unusable[0][1]


_PROPERTY = st.sampled_from(("jobtitle", "company", "lifecyclestage", "firstname"))
_VALUE = st.sampled_from(("CTO", "Acme", "customer", "opportunity", ""))


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Events at different times, and the same ones in any order, some of them again, cut into batches."""
    told = draw(st.lists(st.tuples(st.integers(1, 2), _PROPERTY, _VALUE), min_size=1, max_size=8))
    first = (NOW - HOUR) // 1_000
    events = [event("creation", objectId=i, occurredAt=first - 1) for i in (1, 2)]
    events += [change(n, v, objectId=i, occurredAt=first + k) for k, (i, n, v) in enumerate(told)]
    again = draw(st.lists(st.sampled_from(events), max_size=4))
    # A lead is created by the first message about it that arrives, so its creation comes first here.
    mixed = [*events[:2], *draw(st.permutations([*events[2:], *[{**e, "attemptNumber": 1} for e in again]]))]
    cut = draw(st.integers(1, len(mixed)))
    return events, [mixed[:cut], mixed[cut:]]


@given(batches())
def test_order_and_repetition_of_events_are_no_matter(
    store: Store, given_events: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]
):
    events, mixed = given_events
    found = []
    for parts in ([events], mixed):
        clear(store)
        for n, part in enumerate(parts):
            news = read_events(part, RULES, now=NOW + n)
            store.add_leads(news.leads, now=NOW + n)
            store.add_outcomes(news.outcomes, now=NOW + n)
        held = store.histories(["1", "2"])
        outcomes = {
            i: [(o.kind, o.occurred_at) for o in own] for i, own in store.outcomes_of(["1", "2"]).items()
        }
        found.append(({i: (h.created_at, h.profile_at(NOW + 9)) for i, h in held.items()}, outcomes))
    assert found[0] == found[1]


# The file


def rules_of(tmp_path: Path, text: str) -> HubSpotRules:
    path = tmp_path / "hubspot.toml"
    path.write_text(text)
    return load_hubspot_rules(path)


def test_a_file_adds_to_the_usual_properties_and_replaces_stages(tmp_path: Path):
    rules = rules_of(
        tmp_path,
        """
        [hubspot]
        portal_id = 62515
        [hubspot.properties]
        annualrevenue = "annual_revenue"
        plan = "x_plan"
        company = ""
        [hubspot.outcomes.lifecyclestage]
        98765 = "qualified"
        [hubspot.outcomes.hs_lead_status]
        """,
    )
    assert rules.portal_id == "62515"
    assert "company" not in rules.properties
    assert rules.outcomes == {"lifecyclestage": {"98765": "qualified"}}
    events = [
        change("annualrevenue", "1e6", portalId=62515),
        change("annualrevenue", "much"),
        change("annualrevenue", "-1"),
        change("annualrevenue", "nan"),
        change("plan", "gold"),
        change("jobtitle", "CTO"),
        change("company", "Acme"),
        change("lifecyclestage", "98765"),
        change("lifecyclestage", "customer"),
    ]
    news = read_events(events, rules, now=NOW)
    assert [dict(lead.profile) for lead in news.leads] == [
        {"annual_revenue": 1e6},
        {"x_plan": "gold"},
        {"title": "CTO"},
    ]
    assert [o.kind for o in news.outcomes] == ["qualified"]
    assert news.n_ignored == 2
    said = [why for _, why, _ in news.unusable]
    assert said[0] == "annual_revenue is no number"
    assert len(said) == 3
    assert not any("much" in why for why in said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[hubspt]", "did you mean 'hubspot'"),
        ("[hubspot]\nportal = 1", "did you mean 'portal_id'"),
        ("[hubspot]\nportal_id = true", "must be the number of the portal"),
        ("hubspot = 1", "must be a table"),
        ("[hubspot]\nproperties = 1", "must be a table"),
        ('[hubspot.properties]\njobtitle = "titel"', "did you mean 'title'"),
        ("[hubspot.properties]\njobtitle = 1", "unknown field 1"),
        ('[hubspot.properties]\nplan = "x_Plan"', "plan in"),
        ("[hubspot.outcomes]\nlifecyclestage = 1", "must be a table"),
        ('[hubspot.outcomes.lifecyclestage]\ncustomer = "wonn"', "did you mean 'won'"),
        ("[hubspot", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError) as refused:
        rules_of(tmp_path, text)
    assert said in str(refused.value)


def test_a_file_of_an_editor_that_marks_its_encoding_is_read(tmp_path: Path):
    assert rules_of(tmp_path, "\ufeff[hubspot]\nportal_id = 7").portal_id == "7"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot read"):
        load_hubspot_rules(tmp_path / "none.toml")
