"""Drift: calm when nothing changed, loud when something did."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from data.errors import ContractError
from features.drift import compare, summarise
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
