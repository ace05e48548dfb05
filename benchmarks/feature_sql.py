"""The benchmark's features as one DuckDB query, made from the same definitions.

One pass over the log with FILTER clauses; the join with the rows and the cut at the cutoff come first. The longest gap needs the touchpoint
before, for which a window function is the one addition. ``decay`` is quantised as leadloop has it, so that both agree.
"""

from __future__ import annotations

from data.domain import DAY, HOUR, SECOND
from features.spec import Feature, FeatureSet


def batch_query(features: FeatureSet, *, log: str, rows: str) -> str:
    """One row for each of ``rows`` (lead_id, cutoff): lead_id and all features, categories as texts."""
    needs_gap = any(f.agg == "gap_max" for f in features)
    # The file is sorted by lead and time, and DuckDB streams a window without PARTITION and ORDER in the order of the file: cheaper by
    # a sort of the whole log. The check of agreement would see any disorder.
    before = (
        ", CASE WHEN lead_id = lag(lead_id) OVER () THEN age - lag(age) OVER () END AS gap"
        if needs_gap
        else ""
    )
    chosen = ", ".join(f"{_value(f)} AS {f.name}" for f in features)
    shown = ", ".join(f"coalesce({f.name}, 0) AS {f.name}" if _is_counted(f) else f.name for f in features)
    return f"""
        WITH asked AS (FROM {rows}), seen AS (
            SELECT lead_id, cutoff - occurred_at AS age, type, channel, campaign, content, direction, value
            FROM {log} AS log JOIN asked USING (lead_id) WHERE occurred_at <= cutoff AND received_at <= cutoff
        ), steps AS (SELECT *{before} FROM seen),
        made AS (SELECT lead_id, {chosen} FROM steps GROUP BY lead_id)
        SELECT lead_id, {shown} FROM asked LEFT JOIN made USING (lead_id)
    """


def online_query(features: FeatureSet, *, seen: str, n_leads: str) -> str:
    """The same over touchpoints of a request, already in order of time: ``seen`` has lead_id (0 to n_leads - 1), age and the columns."""
    chosen = ", ".join(f"{_value(f)} AS {f.name}" for f in features)
    shown = ", ".join(f"coalesce({f.name}, 0) AS {f.name}" if _is_counted(f) else f.name for f in features)
    gap = "CASE WHEN lead_id = lag(lead_id) OVER () THEN age - lag(age) OVER () END AS gap"
    return f"""
        WITH steps AS (SELECT *, {gap} FROM ({seen})),
        made AS (SELECT lead_id, {chosen} FROM steps GROUP BY lead_id)
        SELECT lead_id, {shown} FROM (SELECT unnest(range({n_leads}::BIGINT)) AS lead_id) LEFT JOIN made USING (lead_id)
    """


def _is_counted(f: Feature) -> bool:
    return f.agg in ("count", "sum", "nunique", "decay", "diff")


def condition(f: Feature) -> str:
    """What a touchpoint must be for a feature, "" for any."""
    parts = [f"{column} IN ({', '.join(repr(v) for v in values)})" for column, values in f.where]
    if f.window_days is not None:
        width = round(f.window_days * DAY) * (2 if f.agg == "diff" else 1)
        parts.append(f"age < {width}")
    return " AND ".join(parts)


def _value(f: Feature) -> str:
    limit = condition(f)
    only = f" FILTER (WHERE {limit})" if limit else ""
    match f.agg:
        case "count":
            return f"count(*){only}"
        case "diff":
            window = round(float(f.window_days or 0) * DAY)
            return f"2 * count(*) FILTER (WHERE age < {window}) - count(*){only}"
        case "nunique":
            return f"count(DISTINCT {f.column}){only}"
        case "sum" | "max":
            return f"{f.agg}({f.column}){only}"
        case "mean":
            return f"avg({f.column}){only}"
        case "recency":
            return f"min(age){only} / {float(HOUR)}"
        case "age":
            return f"max(age){only} / {float(DAY)}"
        case "gap_mean":
            return f"(max(age) - min(age)) / nullif((count(*) - 1) * {float(HOUR)}, 0)"
        case "gap_max":
            return f"-min(gap) / {float(HOUR)}"
        case "first":
            return f"arg_max_null({f.column}, age){only}"
        case "last":
            return f"arg_min_null({f.column}, age){only}"
        case "decay":
            half_life = round(float(f.half_life_days or 0) * 86_400)
            return f"sum(pow(2.0, -(age // {SECOND} * 4096 // {half_life}) / 4096.0)){only}"
    raise AssertionError(f.agg)
