"""The benchmark's features as Polars expressions over one lead's touchpoints, which stand in order of time."""

from __future__ import annotations

import polars as pl

from data.domain import DAY, HOUR, SECOND
from features.spec import Feature, FeatureSet


def expressions(features: FeatureSet) -> list[pl.Expr]:
    """One expression for each feature; the frame has ``age`` in microseconds before the cutoff."""
    return [_value(f).alias(f.name) for f in features]


def _value(f: Feature) -> pl.Expr:
    age = pl.col("age")
    condition = pl.lit(True)
    parts = [
        pl.col(column).is_in(list(values)) if len(values) > 1 else pl.col(column) == values[0]
        for column, values in f.where
    ]
    if f.window_days is not None and f.agg != "diff":
        parts.append(age < round(f.window_days * DAY))
    for part in parts:
        condition = condition & part if parts[0] is not part else part

    def of(column: str) -> pl.Expr:
        return pl.col(column).filter(condition) if parts else pl.col(column)

    match f.agg:
        case "count":
            return condition.sum() if parts else pl.len()
        case "diff":
            width = round(float(f.window_days or 0) * DAY)
            return 2 * (age < width).sum().cast(pl.Int64) - (age < 2 * width).sum().cast(pl.Int64)
        case "nunique":
            return of(str(f.column)).drop_nulls().n_unique()
        case "sum":
            return of("value").sum()
        case "mean":
            return of("value").mean()
        case "max":
            return of("value").max()
        case "recency":
            return of("age").min() / HOUR
        case "age":
            return of("age").max() / DAY
        case "gap_mean":
            n = pl.len().cast(pl.Int64)
            return pl.when(n > 1).then((age.max() - age.min()) / ((n - 1) * float(HOUR)))
        case "gap_max":
            return (age.shift(1) - age).max() / HOUR
        case "first":
            return of(str(f.column)).first()
        case "last":
            return of(str(f.column)).last()
        case "decay":
            half_life = round(float(f.half_life_days or 0) * 86_400)
            q = of("age") // SECOND * 4096 // half_life
            return (-(q.cast(pl.Float64) / 4096) * 0.6931471805599453).exp().sum()
    raise AssertionError(f.agg)
