"""The random split is shown beside the honest figure, says which is which, and chooses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.training.examples import QUICK, leads_frame, trained
from training.insights.report import render
from training.learning.random_split import LABEL, gap
from training.learning.table import fit_table


def drifting(n: int = 1_500) -> pd.DataFrame:
    """Leads whose batch tells the goal of its own time only, as a campaign's code does."""
    rng = np.random.default_rng(8)
    batch = np.arange(n) // 50
    rate = rng.permutation(np.linspace(0.02, 0.75, n // 50))[batch]
    return pd.DataFrame(
        {
            "batch": [f"b{b}" for b in batch],
            "noise": rng.normal(size=n),
            "won": (rng.random(n) < rate).astype(int),
        }
    )


def test_the_card_has_the_same_figures_twice():
    card = trained().card
    split = card["random_split"]
    assert split["metrics"].keys() == card["out_of_time"].keys()
    assert split["label"] == LABEL
    assert split["candidate"] == card["candidate"]


def test_what_only_a_random_split_can_learn_is_a_warning():
    card = fit_table(drifting(), target="won", config=replace(QUICK, allow_fields=("batch",))).card
    promised, gave = card["random_split"]["metrics"]["roc_auc"], card["out_of_time"]["roc_auc"]
    assert promised["value"] > 0.65 > gave["value"]
    assert card["random_split"]["gap"].endswith("expect the latter")
    assert f"{promised['value']:.3f}" in card["random_split"]["gap"]


def test_leads_that_do_not_change_give_little_to_warn_of():
    card = fit_table(leads_frame(3_000, seed=3), target="won", config=QUICK).card
    assert card["random_split"]["metrics"]["log_loss"]["value"] == pytest.approx(
        card["out_of_time"]["log_loss"]["value"], rel=0.08
    )


def test_the_base_rate_is_shown_with_what_a_model_would_have_promised():
    config = replace(QUICK, candidates=("base_rate", "scorecard"), base_rate_standard_errors=10.0)
    card = fit_table(leads_frame(500, signal=0.2), target="won", config=config).card
    assert card["candidate"] == "base_rate"
    assert card["random_split"]["candidate"] == "scorecard"


def test_the_gap_is_one_sentence_also_without_a_ranking():
    figures = {"log_loss": {"value": 0.30}, "log_loss_base_rate": {"value": 0.40}}
    worse = {"log_loss": {"value": 0.44}, "log_loss_base_rate": {"value": 0.40}}
    assert gap(figures, worse) == (
        "a random split would promise a log loss 25.0% below the base rate's; "
        "newer leads gave a log loss 10.0% above the base rate's: expect the latter"
    )
    assert "the base rate's log loss" in gap({**worse, "log_loss": {"value": 0.40}}, worse)


def test_the_report_says_it_quietly():
    card = trained().card
    page = render(card, [], number="1", now=0)
    assert '<p class="quiet">For comparison: a random split would promise' in page
