"""Drift: calm when nothing changed, loud when something did."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError
from features.drift import compare, drift_between, summarise
from features.matrix import Matrix


def numbers(*values: float) -> Matrix:
    return Matrix(("n",), np.array(values, dtype=np.float64).reshape(-1, 1), {})


def levels(*codes: float) -> Matrix:
    return Matrix(("level",), np.array(codes, dtype=np.float64).reshape(-1, 1), {"level": ("a", "b")})


def test_the_same_rows_have_not_drifted():
    matrix = numbers(0, 0, 0, 1, 2, 3, 4, np.nan)
    (drift,) = compare(summarise(matrix), matrix)
    assert drift.psi == 0.0
    assert not drift.has_changed
    assert drift.missing_then == drift.missing_now == 1 / 8


def test_a_sample_of_the_same_leads_shows_about_the_expected_psi():
    rng = np.random.default_rng(0)
    found = [
        compare(summarise(numbers(*rng.normal(size=800))), numbers(*rng.normal(size=400)))[0]
        for _ in range(60)
    ]
    assert np.mean([d.psi for d in found]) == pytest.approx(found[0].expected_psi, rel=0.25)
    assert not any(d.has_changed for d in found)


def test_a_shift_of_two_thirds_of_the_leads_is_a_change():
    (drift,) = compare(summarise(levels(*[0] * 800, *[1] * 200)), levels(*[0] * 140, *[1] * 860))
    assert drift.psi == pytest.approx((0.66 * math.log(4.3)) + 0.66 * math.log(0.8 / 0.14), rel=0.01)
    assert drift.has_changed


def test_values_that_go_missing_are_drift():
    (drift,) = compare(summarise(numbers(*range(100))), numbers(*range(50), *[np.nan] * 50))
    assert (drift.missing_then, drift.missing_now) == (0.0, 0.5)
    assert drift.has_changed


def test_unheard_of_levels_are_drift():
    (drift,) = compare(summarise(levels(*[0, 1] * 100)), levels(*[2] * 100))
    assert drift.has_changed


def test_the_summary_is_json_and_the_largest_drift_comes_first():
    then = Matrix(("calm", "loud"), np.array([[1.0, 1.0], [2.0, 2.0]] * 50), {})
    now = Matrix(("calm", "loud"), np.array([[1.0, 9.0], [2.0, 9.0]] * 50), {})
    summary = json.loads(json.dumps(summarise(then)))
    assert [d.name for d in compare(summary, now)] == ["loud", "calm"]


def test_no_rows_have_no_psi():
    (drift,) = compare(summarise(numbers(1, 2)), numbers())
    assert math.isnan(drift.psi)
    assert not drift.has_changed


def test_other_features_or_levels_are_refused():
    with pytest.raises(ContractError, match="level, n"):
        compare(summarise(numbers(1.0)), levels(0))
    with pytest.raises(ContractError, match="levels of 'level'"):
        compare(summarise(levels(0)), Matrix(("level",), np.zeros((1, 1)), {"level": ("a",)}))


def test_the_summary_of_a_number_tells_its_gaps_and_quantiles():
    record = summarise(numbers(*range(101), np.nan, np.nan, np.nan))["features"]["n"]
    assert record["missing"] == 3 / 104
    assert record["quantiles"] == {
        "0": 0, "5": 5, "25": 25, "50": 50, "75": 75, "95": 95, "100": 100,
    }  # fmt: skip
    assert "other" not in record
    nothing = summarise(numbers(np.nan))["features"]["n"]
    assert (nothing["quantiles"], nothing["missing"]) == ({}, 1.0)
    assert summarise(numbers())["features"]["n"]["missing"] is None


def test_the_share_of_unseen_levels_is_counted_apart_from_gaps():
    then, now = levels(0, 1, 1, 2), levels(0, 2, 2, 2, np.nan)
    assert summarise(now)["features"]["level"]["other"] == 0.6
    (drift,) = compare(summarise(then), now)
    assert (drift.other_then, drift.other_now) == (0.25, 0.6)
    assert (drift.missing_then, drift.missing_now) == (0.0, 0.2)
    (number,) = compare(summarise(numbers(1.0)), numbers(1.0))
    assert math.isnan(number.other_now)


def test_between_two_matrices_a_new_level_is_unseen():
    """Each learned its own levels: code 1 is "b" in one and "c" in the other."""
    then = Matrix(("level",), np.array([[0.0], [1.0]] * 50), {"level": ("a", "b")})
    now = Matrix(("level",), np.array([[0.0], [1.0]] * 50), {"level": ("a", "c")})
    (drift,) = drift_between(then, now)
    assert (drift.other_then, drift.other_now) == (0.0, 0.5)
    assert drift.has_changed
    assert drift_between(then, then)[0].psi == 0.0
    with pytest.raises(ContractError, match="level, n"):
        drift_between(numbers(1.0), then)


@given(st.lists(st.one_of(st.floats(allow_infinity=False), st.just(0.0)), max_size=40), st.integers(2, 12))
def test_every_row_is_in_one_bin_and_psi_is_never_negative(values, n_bins):
    matrix = numbers(*values)
    summary = summarise(matrix, n_bins=n_bins)
    assert sum(summary["features"]["n"]["counts"]) == len(values)
    (drift,) = compare(summary, numbers(*values[::2]))
    assert math.isnan(drift.psi) or drift.psi >= 0
