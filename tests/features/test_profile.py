"""What profile features make of the fields known at the cutoff."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data.domain import DAY, HOUR, PROFILE_FIELDS
from data.snapshots import LeadHistory, ProfileVersion, snapshots_of
from features.matrix import build_matrix
from features.profile import is_numeric
from features.spec import Feature, FeatureSet
from tests.features.histories import NOON, lead


def define(agg: str, column: str | None = None) -> Feature:
    return Feature(name="f", agg=agg, group="fit", says="{value}", topic="t", column=column)


def value_of(agg: str, column: str | None = None, **fields) -> float | str | None:
    matrix = build_matrix(snapshots_of([(lead(**fields), NOON)]), FeatureSet((define(agg, column),)))
    return matrix.text(0, "f") if "f" in matrix.levels else matrix.X[0, 0].item()


def test_text_is_trimmed_and_without_capitals():
    assert value_of("field_text", "industry", industry="  Machine TOOLS ") == "machine tools"
    assert value_of("field_text", "industry", industry="   ") is None
    assert value_of("field_text", "industry") is None


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (3, "3"), (2.5, "2.5"), (-0.0, "0"), (True, "true"), (math.nan, None)]
)
def test_numbers_in_a_text_field_are_written_one_way(value, text):
    assert value_of("field_text", "x_plan", x_plan=value) == text


@pytest.mark.parametrize(("value", "number"), [(3.5, 3.5), ("3.5", 3.5), (" 12 ", 12.0), (0.0, 0.0)])
def test_numbers_may_arrive_as_text(value, number):
    assert value_of("field_number", "x_n", x_n=value) == number


@pytest.mark.parametrize("value", ["many", "", math.nan, math.inf, "nan", "inf", None])
def test_what_is_no_finite_number_is_unknown(value):
    assert math.isnan(value_of("field_number", "x_n", x_n=value))


def test_a_stated_seniority_wins_over_the_title():
    assert value_of("seniority", title="Intern", seniority="VP") == "vp"
    assert value_of("seniority", title="Head of Sales") == "director"
    assert value_of("seniority", title="Head of Sales", seniority=" ") == "director"
    assert value_of("seniority") is None


def test_a_stated_function_wins_over_the_title():
    assert value_of("job_function", title="Head of Sales", job_function="Finance") == "finance"
    assert value_of("job_function", title="Head of Sales") == "sales"


def test_the_domain_comes_from_the_address_then_from_the_company():
    assert value_of("domain_kind", email="ada@gmail.com", company_domain="acme.com") == "free_mail"
    assert value_of("domain_kind", email="not given", company_domain="acme.com") == "corporate"
    assert value_of("domain_kind", email="not given") == "missing"
    assert value_of("domain_kind") == "missing"


def test_a_head_count_wins_over_a_written_size():
    assert value_of("size_band", employees=30.0, company_size="1000-1999") == "11-50"
    assert value_of("size_band", employees=0.0, company_size="1000-1999") == "1001-5000"
    assert value_of("size_band", company_size="a few") is None


def test_completeness_is_the_share_of_standard_fields_known():
    assert value_of("completeness") == 0.0
    assert value_of("completeness", title="CEO", email=" ", x_plan="gold", employees=3.0) == 2 / len(
        PROFILE_FIELDS
    )
    everything = dict.fromkeys(PROFILE_FIELDS, "1")
    assert value_of("completeness", **everything) == 1.0


@pytest.mark.parametrize(("age", "days"), [(0, 0.0), (36 * HOUR, 1.5), (-DAY, 0.0)])
def test_days_since_created_is_never_negative(age, days):
    rows = [(LeadHistory("ada", NOON - age), NOON)]
    assert build_matrix(snapshots_of(rows), FeatureSet((define("days_since_created"),))).X[0, 0] == days


def test_a_statement_received_later_is_not_known_yet():
    late = ProfileVersion(observed_at=NOON - DAY, received_at=NOON + 1, fields={"title": "CEO"})
    history = LeadHistory("ada", NOON - DAY, [late])
    matrix = build_matrix(
        snapshots_of([(history, NOON), (history, NOON + 1)]), FeatureSet((define("seniority"),))
    )
    assert (matrix.text(0, "f"), matrix.text(1, "f")) == (None, "c_level")


def test_each_row_keeps_its_own_value():
    rows = [(lead(industry=text), NOON) for text in ("Retail", "", "retail", "Steel")]
    matrix = build_matrix(snapshots_of(rows), FeatureSet((define("field_text", "industry"),)))
    assert [matrix.text(i, "f") for i in range(4)] == ["retail", None, "retail", "steel"]


def test_true_and_one_are_different_in_a_batch():
    """They are one key of a Python dict."""
    rows = [(lead(x_flag=value), NOON) for value in (True, 1.0, 0.0, False)]
    matrix = build_matrix(snapshots_of(rows), FeatureSet((define("field_text", "x_flag"),)))
    assert [matrix.text(i, "f") for i in range(4)] == ["true", "1", "0", "false"]


@pytest.mark.parametrize(
    ("column", "numeric"),
    [
        (np.array([1.0, None, 2], dtype=object), True),
        (np.array([1.0, np.nan]), True),
        (np.array([1, 2]), True),
        (np.array([1.0, "2"], dtype=object), False),
        (np.array([True, False]), False),
        (np.array([True, 1.0], dtype=object), False),
        (np.array([None, None], dtype=object), False),
        (np.array(["a", "b"]), False),
    ],
)
def test_a_numeric_field_has_numbers_only(column, numeric):
    assert is_numeric(column) is numeric


def test_seniority_is_told_apart_by_the_size_of_the_firm():
    assert value_of("seniority_by_size", title="CEO", employees=12) == "c_level in a small firm"
    assert value_of("seniority_by_size", title="CEO", company_size="201-500") == "c_level in a mid-sized firm"
    assert value_of("seniority_by_size", seniority="VP", employees=5_000) == "vp in a large firm"
    assert value_of("seniority_by_size", title="CEO") is None
    assert value_of("seniority_by_size", employees=12) is None
