"""Numbers with heavy tails enter as they are: their order counts, not how far out the last ones lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalog import table_features
from features.matrix import build_matrix
from tests.training.examples import QUICK
from training.learning.basis import basis_of
from training.learning.table import fit_table
from training.scorer.flat import flat_snapshots
from training.scorer.scorecard import Scorecard


def leads(n: int = 800, *, farthest: float = 1.0) -> pd.DataFrame:
    """Revenue helps up to about the median; its ten largest values are ``farthest`` times as large."""
    rng = np.random.default_rng(5)
    revenue = np.exp(rng.normal(14.0, 2.0, size=n))
    largest = np.argsort(revenue)[-10:]
    chance = 1 / (1 + np.exp(-(np.log(np.minimum(revenue, 2e6)) - 13.5)))
    won = (rng.random(n) < chance).astype(int)
    revenue[largest] *= farthest
    return pd.DataFrame({"revenue": revenue, "noise": rng.normal(size=n), "won": won})


def test_the_matrix_keeps_every_number_and_its_order():
    revenue = leads(farthest=1e9)["revenue"].to_numpy()
    fields = {"revenue": revenue}
    column = build_matrix(flat_snapshots(fields, len(revenue)), table_features(fields)).X[:, 0]
    assert column.tolist() == revenue.tolist()


@pytest.mark.parametrize("candidate", ["scorecard", "trees", "blend"])
def test_ten_giants_do_not_change_the_scores_of_everybody_else(candidate):
    config = replace(QUICK, candidates=(candidate,))
    usual, giants = (
        fit_table(leads(farthest=f), target="won", config=config, seed=1).scorer for f in (1.0, 1e6)
    )
    others = leads().nsmallest(790, "revenue")
    before, after = (s.predict_proba(others)[:, 1] for s in (usual, giants))
    # Ten of 800 move the outermost quantile a little; without care for the tail, chances moved by 0.3.
    assert np.abs(after - before).max() < 0.05
    assert np.corrcoef(np.argsort(np.argsort(before)), np.argsort(np.argsort(after)))[0, 1] > 0.99
    # And a giant scores like the largest of the others, not off the scale.
    ends = pd.DataFrame({"revenue": [1e8, 1e16], "noise": [0.0, 0.0]})
    low, high = giants.predict_proba(ends)[:, 1]
    assert abs(high - low) < 0.15


@given(
    st.lists(st.integers(-1_000_000, 1_000_000), min_size=2, max_size=60), st.booleans(), st.integers(2, 9)
)
def test_the_term_people_read_is_the_line_that_was_learned(values, is_heavy, n_knots):
    x = np.array(values, dtype=np.float64)
    if is_heavy:
        x = np.sign(x) * np.abs(x) ** 2
    basis = basis_of(x, None, np.ones(len(x)), n_knots=n_knots)
    beta = np.linspace(1.0, -0.5, basis.design.shape[1])
    learned = basis.design @ beta
    read = Scorecard(0.0, [basis.term(beta)]).contributions(x[:, None])[:, 0]
    assert read.tolist() == pytest.approx(learned.tolist(), rel=1e-6, abs=1e-6)


def test_straight_over_ranks_only_where_giants_are():
    rng = np.random.default_rng(0)
    counts, revenue = rng.poisson(3.0, 500).astype(float), np.exp(rng.normal(14, 2, 500))
    tame, heavy = (basis_of(x, None, np.ones(500), n_knots=8) for x in (counts, revenue))
    assert tame.marks == tame.knots
    assert heavy.marks == tuple(float(k) for k in range(len(heavy.knots)))
