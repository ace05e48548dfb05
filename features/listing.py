"""Definitions as people read them: formula, sentence, group, topic and direction."""

from __future__ import annotations

from features.spec import Feature, FeatureSet

DIRECTIONS = {1: "up", 0: "", -1: "down"}


def formula(feature: Feature) -> str:
    """The definition in one line, e.g. ``count where type in pricing_view in 7 days``."""
    parts = [feature.agg]
    if feature.position is not None:
        parts.append(str(feature.position))
    if feature.column:
        parts.append(f"of {feature.column}")
    parts += [f"where {column} in {', '.join(values)}" for column, values in feature.where]
    if feature.window_days:
        parts.append(f"in {feature.window_days:g} days")
    if feature.half_life_days:
        parts.append(f"half-life {feature.half_life_days:g} days")
    return " ".join(parts)


def listed(features: FeatureSet) -> list[dict[str, str]]:
    """One plain record for each definition, in order: feature, group, topic, formula, direction ("up" or "down" where an expert is sure
    how the goal's chance moves with the value) and the sentence."""
    return [
        {
            "feature": f.name,
            "group": f.group,
            "topic": f.topic,
            "formula": formula(f),
            "direction": DIRECTIONS[f.direction],
            "says": f.says,
        }
        for f in features
    ]
