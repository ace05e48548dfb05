"""The Python front door to keeping a version fitting: its base rate, its grades, and what would come next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from data.errors import ConfigError
from data.store import Store
from training.scorer.registry import ModelVersion

if TYPE_CHECKING:
    from leadloop.notebook import Moment
    from training.loop.capacity import VolumeAlarm
    from training.loop.recalibration import Shift
    from training.loop.shadow import ShadowReport

# The score log is looked through for one week; more scores than this in a week are told from the newest ones.
_MOST_SCORES = 200_000


def recalibrate(
    version: ModelVersion | str = "champion",
    store: Store | None = None,
    *,
    always: bool = False,
    now: Moment = None,
) -> tuple[ModelVersion | None, Shift]:
    """Learn the intercept anew on the newest mature leads, without retraining.

    Returns the new version, None when no shift of the base rate is found (unless ``always``), and the shift with its interval.
    """
    from leadloop.notebook import instant, open_registry, open_store
    from training.loop.regrading import recalibrate as _recalibrate

    made, found = _recalibrate(
        store or open_store(), open_registry(), _known(version), now=instant(now), always=always
    )
    return made, found.shift


def grades(
    version: ModelVersion | str = "champion",
    store: Store | None = None,
    *,
    per_week: float | None = None,
    value_of_goal: float | None = None,
    cost_of_lead: float | None = None,
    now: Moment = None,
) -> tuple[ModelVersion, dict[str, Any]]:
    """Grades from capacity, or from value and cost: a new version, and its policy (what each grade holds, the band, the frontier)."""
    from leadloop.notebook import instant, open_registry, open_store
    from training.loop.regrading import regrade

    return regrade(
        store or open_store(),
        open_registry(),
        _known(version),
        now=instant(now),
        per_week=per_week,
        value_of_goal=value_of_goal,
        cost_of_lead=cost_of_lead,
    )


def check_grades(
    version: ModelVersion | str = "champion", store: Store | None = None, *, now: Moment = None
) -> VolumeAlarm:
    """Whether the leads graded A or B in the last seven days left the band of the version's policy."""
    from leadloop.notebook import instant, open_registry, open_store
    from training.loop.capacity import volume_alarm

    known = _known(version)
    policy = open_registry().card(known.goal, known.number).get("policy")
    if policy is None:
        raise ConfigError(
            f"version {known.number} has no grades from capacity; choose them with `leadloop grades --per-week N`"
        )
    rows = [
        row for row in (store or open_store()).scores.recent(limit=_MOST_SCORES) if row.goal == known.goal
    ]
    return volume_alarm(rows, policy, version=known.number, now=instant(now))


def shadow(store: Store | None = None, *, newest: int = 10_000) -> ShadowReport:
    """What the challenger in shadow said beside the answers, over its ``newest`` scores: ``.contrasts``, ``.why``.

    Raises NotEnoughDataError when no challenger has scored yet; a service with ``LEADLOOP_SHADOW=challenger`` has it do so.
    """
    from leadloop.notebook import existing_store, settings
    from training.loop.shadow import shadow_report

    return shadow_report((store or existing_store()).scores.pairs(goal=settings().goal, limit=newest))


def _known(version: ModelVersion | str) -> ModelVersion:
    from leadloop.notebook import open_registry, settings

    if isinstance(version, ModelVersion):
        return version
    registry, goal = open_registry(), settings().goal
    number = registry.resolve(goal, version)
    if number is None:
        raise ConfigError(f"no version or alias {version!r} of the goal {goal!r} is registered")
    return ModelVersion(goal=goal, number=number)
