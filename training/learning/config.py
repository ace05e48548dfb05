"""How to learn, as one value. A misspelt key stops the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from data.definition import IMMATURE
from data.domain import GOALS
from data.errors import ConfigError, did_you_mean, unknown_key
from data.labels import SAID
from data.toml_files import read_toml

CANDIDATES = ("base_rate", "scorecard", "trees", "blend")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Every setting of a training run; the defaults are meant to be kept.

    Attributes
    ----------
    goal, horizon_days : what is predicted, and within how many days after the cutoff.
    ages_days : ages of a lead, in days after its creation, at which it gives a training row.
    immature : what becomes of rows whose horizon is still open. ``wait``: left out. ``ipcw``: they teach, those decided by their label,
        the others by their chance. ``drop`` and ``negative`` are the naive choices, to compare with; see ``data.asof``.
    candidates : which models compete, a subset of base_rate, scorecard, trees, blend.
    holdout_share : newest share of leads, held out once for the evaluation.
    n_folds : time-ordered folds inside the older part.
    clear_standard_errors : how many standard errors another candidate must be ahead of the blend to replace it.
    base_rate_standard_errors : how many the best candidate must be ahead of the base rate to be taken instead of it.
    scorecard_l2 : ridge of the scorecard's weights; larger is flatter.
    also_learn : what sales said beside the goal that also teaches the scorecard, as far as it helps on later leads: a subset of
        disqualified, qualified. What a store does not hold, and the goal itself, teach nothing here.
    n_knots : knots per number of the scorecard.
    max_scorecard_rows : evenly thinned above this many rows.
    n_trees, learning_rate, n_leaves, max_depth, min_rows_per_leaf, trees_l2, feature_share : as LightGBM means them; ``min_rows_per_leaf``
        counts leads and is scaled down for small data.
    min_level_rows, max_levels : rarer levels of a category are pooled as "other".
    grade_shares : wanted share of leads in A, B and C.
    n_bootstrap : resamples of leads behind each interval.
    allow_fields : fields that stay although a leak probe would block them, by name.
    hand_points : TOML file of the points that score leads as long as there are too few outcomes; empty: the table that comes with leadloop.
    segment_by : a category or profile field; each of its levels gets a level of its own, as far as its leads vouch for it.
    threads : for training trees; 0 takes one for small data, where threads of a busy machine wait for each other, and all cores for large.
        Never changes the result.
    """

    goal: str = "qualified"
    horizon_days: int = 90
    ages_days: tuple[float, ...] = (0.0, 3.0, 7.0, 14.0, 30.0)
    immature: str = "wait"
    candidates: tuple[str, ...] = CANDIDATES
    holdout_share: float = 0.30
    n_folds: int = 5
    clear_standard_errors: float = 2.0
    base_rate_standard_errors: float = 0.0
    scorecard_l2: float = 10.0
    also_learn: tuple[str, ...] = ("disqualified", "qualified")
    n_knots: int = 8
    max_scorecard_rows: int = 100_000
    n_trees: int = 200
    learning_rate: float = 0.03
    n_leaves: int = 8
    max_depth: int = 4
    min_rows_per_leaf: int = 50
    trees_l2: float = 5.0
    feature_share: float = 0.7
    min_level_rows: int = 10
    max_levels: int = 50
    grade_shares: tuple[float, float, float] = (0.10, 0.15, 0.25)
    n_bootstrap: int = 200
    allow_fields: tuple[str, ...] = ()
    hand_points: str = ""
    segment_by: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        for name in self.candidates:
            if name not in CANDIDATES:
                raise unknown_key(name, CANDIDATES, where="[train] candidates")
        if not self.candidates:
            raise ConfigError(f"[train] candidates is empty; name at least one of {', '.join(CANDIDATES)}")
        for name in self.also_learn:
            if name not in SAID:
                raise unknown_key(name, SAID, where="[train] also_learn")
        if self.goal not in GOALS:
            raise ConfigError(f"[train] unknown goal {self.goal!r}{did_you_mean(self.goal, GOALS)}")
        if self.immature not in IMMATURE:
            raise ConfigError(
                f"[train] unknown immature {self.immature!r}{did_you_mean(self.immature, IMMATURE)}"
            )
        if not self.ages_days or min(self.ages_days) < 0 or len(set(self.ages_days)) < len(self.ages_days):
            raise ConfigError(
                f"[train] ages_days must be different days from 0 up, got {list(self.ages_days)}"
            )
        _within("horizon_days", self.horizon_days, 1, 3_650)
        _within("holdout_share", self.holdout_share, 0.05, 0.6)
        _within("n_folds", self.n_folds, 2, 20)
        _within("clear_standard_errors", self.clear_standard_errors, 0.0, 10.0)
        _within("base_rate_standard_errors", self.base_rate_standard_errors, -10.0, 10.0)
        _within("scorecard_l2", self.scorecard_l2, 1e-6, 1e6)
        _within("n_knots", self.n_knots, 2, 64)
        _within("max_scorecard_rows", self.max_scorecard_rows, 1_000, 10_000_000)
        _within("n_trees", self.n_trees, 1, 5_000)
        _within("learning_rate", self.learning_rate, 1e-4, 1.0)
        _within("n_leaves", self.n_leaves, 2, 256)
        _within("max_depth", self.max_depth, 1, 16)
        _within("min_rows_per_leaf", self.min_rows_per_leaf, 5, 100_000)
        _within("trees_l2", self.trees_l2, 0.0, 1e6)
        _within("feature_share", self.feature_share, 0.05, 1.0)
        _within("min_level_rows", self.min_level_rows, 2, 100_000)
        _within("max_levels", self.max_levels, 2, 1_000)
        _within("n_bootstrap", self.n_bootstrap, 20, 10_000)
        _within("threads", self.threads, 0, 1_024)
        if len(self.grade_shares) != 3 or min(self.grade_shares) <= 0 or sum(self.grade_shares) > 1:
            raise ConfigError(
                f"[train] grade_shares must be three positive shares with a sum of at most 1, got {list(self.grade_shares)}"
            )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TrainConfig:
        """Settings by name; lists become tuples. Raises ConfigError for an unknown name, with the nearest known one, or a wrong type.

        >>> TrainConfig.from_dict({"n_fold": 3})
        Traceback (most recent call last):
        ...
        data.errors.ConfigError: unknown key 'n_fold' in [train]; did you mean 'n_folds'?
        """
        known = {f.name: f for f in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in record.items():
            if name not in known:
                raise unknown_key(name, known, where="[train]")
            default = known[name].default
            if isinstance(default, tuple):
                value = _tuple_like(name, value, default)
            elif isinstance(default, str):
                if not isinstance(value, str):
                    raise ConfigError(f"[train] {name} must be a text like {default!r}, not {value!r}")
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"[train] {name} must be a number like {default!r}, not {value!r}")
            elif isinstance(default, int) and value != int(value):
                raise ConfigError(f"[train] {name} must be a whole number like {default!r}, not {value!r}")
            else:
                value = float(value) if isinstance(default, float) else int(value)
            values[name] = value
        return cls(**values)

    @classmethod
    def from_toml(cls, source: str | Path) -> TrainConfig:
        """Settings from the ``[train]`` table of a TOML file. Raises ConfigError for a missing file, broken TOML or other tables."""
        path = Path(source)
        record = read_toml(path)
        for table in record:
            if table != "train":
                raise unknown_key(table, ["train"], where=f"{path.name}; settings belong under [train]")
        return cls.from_dict(record.get("train", {}))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; inverse of ``from_dict``."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"[train] {name} must lie between {low:g} and {high:g}, got {value!r}")


def _tuple_like(name: str, value: Any, default: tuple[Any, ...]) -> tuple[Any, ...]:
    items = list(value) if isinstance(value, list | tuple) else None
    is_text = not default or isinstance(default[0], str)
    if items is None or any(
        isinstance(v, bool) or not isinstance(v, str if is_text else (int, float)) for v in items
    ):
        raise ConfigError(f"[train] {name} must be a list like {list(default)}, not {value!r}")
    return tuple(items) if is_text else tuple(map(float, items))
