"""Points set by hand: what scores leads before there are outcomes to learn from.

A table in TOML gives points to values of features, 10 points doubling the odds. It becomes an additive scorecard like a learned one,
in the same artifact, so grades, reasons and the service know no difference. Only its level follows what is seen: the goal rate goes
from the expected one to the observed one as leads mature.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import ConfigError, unknown_key
from features.spec import FeatureSet
from training.scorer.scale import POINTS_PER_LOG_ODDS, log_odds
from training.scorer.scorecard import CategoryTerm, NumberTerm, Scorecard, Term

DEFAULT = Path(__file__).with_name("hand_points.toml")
# The expected goal rate counts as much as this many leads.
EXPECTATION_LEADS = 40.0


@dataclass(frozen=True, slots=True)
class HandPoints:
    """A table of points.

    Attributes
    ----------
    goal_rate : share of leads expected to reach the goal, between 0 and 1.
    average_points : what an average lead collects; it gets about the expected rate.
    numbers : per feature, rising values, their points, and the points of a missing value.
    texts : per feature, points by level; ``(other)`` and ``(missing)`` name the two that are no levels.
    hash : of the file, so that an artifact tells which table it was made from.
    """

    goal_rate: float
    average_points: float
    numbers: Mapping[str, tuple[tuple[float, ...], tuple[float, ...], float]]
    texts: Mapping[str, Mapping[str, float]]
    hash: str

    def levels(self, features: FeatureSet) -> dict[str, tuple[str, ...]]:
        """Known levels of each category: those that have points of their own, sorted."""
        return {
            f.name: tuple(sorted(set(self.texts.get(f.name, {})) - {"(other)", "(missing)"}))
            for f in features
            if f.is_category
        }

    def scorecard(self, features: FeatureSet) -> Scorecard:
        """Log-odds, one term per feature; features without points get terms that are 0."""
        levels = self.levels(features)
        terms: list[Term] = []
        for f in features:
            if f.is_category:
                own = {level: _log_odds(p) for level, p in self.texts.get(f.name, {}).items()}
                weights = tuple(own[level] for level in levels[f.name])
                terms.append(CategoryTerm(weights, own.get("(other)", 0.0), own.get("(missing)", 0.0)))
            else:
                at, points, missing = self.numbers.get(f.name, ((0.0,), (0.0,), 0.0))
                terms.append(NumberTerm(at, tuple(map(_log_odds, points)), _log_odds(missing)))
        return Scorecard(log_odds(self.goal_rate) - _log_odds(self.average_points), terms)

    def applied(self, features: FeatureSet) -> list[str]:
        """Names of the features that get points, sorted."""
        named = {f.name: f.is_category for f in features}
        return sorted(
            [n for n in self.numbers if named.get(n) is False] + [n for n in self.texts if named.get(n)]
        )


def load_hand_points(path: str | Path | None = None) -> HandPoints:
    """The table of a TOML file; None: the one that comes with leadloop.

    Raises
    ------
    ConfigError
        For a missing file, broken TOML, unknown keys, values that do not rise, or anything that is no number.
    """
    source = DEFAULT if not path else Path(path)
    try:
        raw = source.read_bytes()
        record = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {source}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not TOML: {error}") from error
    _known(record, ("start", "numbers", "texts"), where=source.name)
    start = record.get("start", {})
    _known(start, ("goal_rate", "average_points"), where=f"{source.name} [start]")
    rate = _number(start.get("goal_rate", 0.10), where=f"{source.name} [start] goal_rate")
    if not 0 < rate < 1:
        raise ConfigError(f"{source.name} [start] goal_rate must lie between 0 and 1, got {rate!r}")
    return HandPoints(
        goal_rate=rate,
        average_points=_number(
            start.get("average_points", 0.0), where=f"{source.name} [start] average_points"
        ),
        numbers={
            name: _row(row, where=f"{source.name} [numbers.{name}]")
            for name, row in record.get("numbers", {}).items()
        },
        texts={
            name: {
                level: _number(points, where=f"{source.name} [texts.{name}] {level}")
                for level, points in row.items()
            }
            for name, row in record.get("texts", {}).items()
        },
        hash=hashlib.sha256(raw).hexdigest(),
    )


def level_for(margin: np.ndarray, y: np.ndarray, weight: np.ndarray, *, expected: float) -> float:
    """Log-odds to add so that the mean chance of these leads is their goal rate, drawn toward the ``expected`` one by 40 leads."""
    held = float(weight.sum())
    if not held:
        return 0.0
    wanted = (float((weight * y).sum()) + EXPECTATION_LEADS * expected) / (held + EXPECTATION_LEADS)
    low, high = -40.0, 40.0
    for _ in range(100):
        middle = (low + high) / 2
        p = 1.0 / (1.0 + np.exp(-np.clip(margin + middle, -500.0, 500.0)))
        if float((weight * p).sum()) / held < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _log_odds(points: float) -> float:
    return points / POINTS_PER_LOG_ODDS


def _row(row: Any, *, where: str) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    if not isinstance(row, Mapping):
        raise ConfigError(f"{where} must be a table with at and points, not {row!r}")
    _known(row, ("at", "points", "missing"), where=where)
    at, points = (_numbers(row.get(name), where=f"{where} {name}") for name in ("at", "points"))
    if len(at) != len(points):
        raise ConfigError(f"{where} needs as many points as values; it has {len(points)} and {len(at)}")
    if any(b <= a for a, b in pairwise(at)):
        raise ConfigError(f"{where} at must rise, got {list(at)}")
    return at, points, _number(row.get("missing", 0.0), where=f"{where} missing")


def _numbers(values: Any, *, where: str) -> tuple[float, ...]:
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where} must be a list of numbers, not {values!r}")
    return tuple(_number(value, where=where) for value in values)


def _number(value: Any, *, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{where} must be a number, not {value!r}")
    return float(value)


def _known(record: Mapping[str, Any], known: Sequence[str], *, where: str) -> None:
    for name in record:
        if name not in known:
            raise unknown_key(name, known, where=where)
