"""One lead alone gets, straight from its history, the bits of the matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.accounts import Spans
from data.domain import DAY
from data.errors import ConfigError
from data.snapshots import LeadHistory, ProfileVersion, snapshots_of
from features.catalog import default_features, with_custom_fields
from features.few import MOST
from features.matrix import build_matrix
from features.one_lead import OneLead
from features.spec import FeatureSet
from tests.features.histories import NOON, cutoffs, lead_histories, touchpoint
from tests.features.test_executor import EVERYTHING, define

CATALOG = with_custom_fields(
    default_features(),
    snapshots_of([(LeadHistory("ada", NOON, (ProfileVersion(NOON, NOON, {"x_plan": "pro"}),)), NOON)]),
)
LISTED = FeatureSet((define("count"), define("last", column="channel"), define("nunique", column="value")))
LEADS = ("ada", "bob", "eve", "heir")
spans = st.lists(
    st.tuples(
        st.sampled_from(["acme.com", "x", "ceo"]),
        st.sampled_from(LEADS),
        st.sampled_from([NOON - 40 * DAY, NOON - 20 * DAY, NOON - 7 * DAY, NOON]),
        st.sampled_from([NOON - 7 * DAY, NOON, NOON + 1, NOON + DAY]),
    ),
    max_size=6,
).map(Spans.of)


def both(history: LeadHistory, cutoff: int, features: FeatureSet, levels, beside=None):
    usual = build_matrix(snapshots_of([(history, cutoff)], beside=beside), features, levels=levels)
    return OneLead(features, levels).matrix(history, cutoff, beside=beside), usual


@pytest.mark.parametrize("features", [CATALOG, LISTED, EVERYTHING], ids=["catalog", "listed", "everything"])
@given(history=lead_histories(), cutoff=cutoffs, other=lead_histories(), known=spans, is_known=st.booleans())
def test_the_row_is_that_of_the_matrix(
    features: FeatureSet, history, cutoff: int, other, known, is_known: bool
):
    """Law 2. The levels are those of another lead, so that some of the lead's own are new; merged or not, with others beside it or not."""
    levels = build_matrix(snapshots_of([(other, NOON)]), features).levels
    beside = (lambda accounts: known) if is_known else None
    alone, usual = both(history, cutoff, features, levels, beside)
    assert alone.X.tobytes() == usual.X.tobytes()
    assert (alone.names, alone.levels) == (usual.names, usual.levels)
    assert alone.X.shape == (1, len(features))


def test_more_touchpoints_than_lists_are_good_for_go_the_usual_way():
    own = [touchpoint(NOON - i, touchpoint_id=str(i)) for i in range(MOST + 1)]
    alone, usual = both(
        LeadHistory("ada", NOON, (), own), NOON, LISTED, {"last_channel": ()} | levels_of(LISTED)
    )
    assert alone.X.tobytes() == usual.X.tobytes()
    assert alone.X[0, 0] == MOST + 1


def test_a_merged_lead_does_not_count_its_heir():
    """Whose account it is asked of, and who is left out."""
    account = FeatureSet(tuple(f for f in default_features() if f.name == "n_account_leads"))
    history = LeadHistory(
        "ada",
        NOON,
        (ProfileVersion(NOON - DAY, NOON - DAY, {"company_domain": "acme.com"}),),
        (),
        (("heir", NOON - 1),),
    )
    everyone = Spans.of([("acme.com", lead, NOON - DAY, NOON + DAY) for lead in LEADS])
    asked = []

    def beside(accounts: list[str]) -> Spans:
        asked.append(accounts)
        return everyone

    alone, usual = both(history, NOON, account, {}, beside)
    assert alone.X.tolist() == usual.X.tolist() == [[3.0]]
    assert asked[0] == asked[1] == ["acme.com"]


def test_a_category_without_levels_is_refused_at_once():
    with pytest.raises(ConfigError, match="levels lack the category"):
        OneLead(default_features(), {})


def test_rows_do_not_share_their_memory():
    one = OneLead(LISTED, levels_of(LISTED))
    busy = one.matrix(LeadHistory("ada", NOON, (), [touchpoint(NOON)]), NOON)
    idle = one.matrix(LeadHistory("bob", NOON), NOON)
    assert busy.X[0, 0] == 1.0
    assert idle.X[0, 0] == 0.0
    assert np.isnan(idle.X[0, 1])


def levels_of(features: FeatureSet) -> dict[str, tuple[str, ...]]:
    return {f.name: ("email", "paid_search") for f in features if f.is_category}


def test_whole_numbers_alone_are_float64_too():
    counts = FeatureSet((define("count"), define("nunique", column="type")))
    alone, usual = both(LeadHistory("ada", NOON, (), [touchpoint(NOON)]), NOON, counts, {})
    assert alone.X.dtype == np.float64
    assert alone.X.tobytes() == usual.X.tobytes()
