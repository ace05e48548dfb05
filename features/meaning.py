"""What every aggregation and derivation means, as a number: it is raised whenever the same history would give another value.

Definitions name an aggregation; they do not say what it computes. So a model also keeps the numbers of those it uses, and code that means
something else by one of them refuses the model instead of feeding it other values under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping

from data.errors import OtherDefinitionsError
from features.spec import AGGREGATIONS, DERIVATIONS, FeatureSet

# A test holds a fingerprint of each one's values and fails when they change while the number here stays.
MEANING: dict[str, int] = {
    **dict.fromkeys(AGGREGATIONS + DERIVATIONS, 1),
    "seniority": 2,  # business partners, German compounds and French abbreviations were "other"
    "job_function": 2,
}


def meanings(features: FeatureSet) -> dict[str, int]:
    """The number of each aggregation and derivation these definitions use, by name."""
    return {agg: MEANING[agg] for agg in sorted({f.agg for f in features})}


def check_meanings(recorded: Mapping[str, int]) -> None:
    """Let a model pass whose features mean here what they meant when it was trained.

    Raises
    ------
    OtherDefinitionsError
        Names what differs.
    """
    other = [
        f"{agg} ({number} there, {MEANING.get(agg, 'unknown')} here)"
        for agg, number in sorted(recorded.items())
        if MEANING.get(agg) != number
    ]
    if other:
        raise OtherDefinitionsError(
            f"the model was trained on features that this leadloop computes otherwise: {', '.join(other)}; "
            "serve it with the leadloop that trained it, or train it anew with this one"
        )
