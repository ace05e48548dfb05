"""Your own features for notebooks: ``from leadloop.features import Count, Share``. What each computes: ``features.own``."""

from features.defining import read_features
from features.own import (
    Age,
    BusinessHours,
    Count,
    Decay,
    Diff,
    Distinct,
    First,
    GapMax,
    GapMean,
    Last,
    Max,
    Mean,
    Min,
    Nth,
    NumberField,
    Recency,
    Sessions,
    SessionSize,
    Share,
    Streak,
    StreakNow,
    Sum,
    TextField,
    Trend,
    Weekend,
)

__all__ = [
    "Age", "BusinessHours", "Count", "Decay", "Diff", "Distinct", "First", "GapMax", "GapMean", "Last", "Max", "Mean", "Min", "Nth",
    "NumberField", "Recency", "SessionSize", "Sessions", "Share", "Streak", "StreakNow", "Sum", "TextField", "Trend", "Weekend",
    "read_features",
]  # fmt: skip
