"""What the pages say, as plain values for the templates."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from data.domain import format_instant
from data.scorelog import ScoreRow
from serving.live import Served
from serving.parts import Parts
from serving.problems import reason_of
from serving.writer import STORE_FAULTS
from training.insights.charts import figures
from training.insights.report import measured

_LAST_SCORES = 20

logger = logging.getLogger("leadloop.serving")


def overview(parts: Parts) -> dict[str, Any]:
    """Values of the start page: the model, its charts and the last scores. Each part is None or empty when it is not there."""
    served = parts.live.current()
    watch = parts.live.watch
    return {
        "goal": parts.live.goal,
        "model": None if served is None else _model(served),
        "charts": {} if served is None else _charts(served.card),
        "topics": [] if served is None else _topics(served.card),
        "scores": _last_scores(parts, served),
        "refused": sorted(watch.refused.items()),
        "registry_trouble": watch.trouble is not None,
    }


def api_calls(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls of the OpenAPI document in order: method, path, summary and an example body."""
    calls = []
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            content = call.get("requestBody", {}).get("content", {}).get("application/json", {})
            example = content.get("example")
            calls.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "summary": call.get("summary", ""),
                    "example": None if example is None else json.dumps(example, indent=2),
                    "answers": sorted(call.get("responses", {})),
                }
            )
    return calls


def _model(served: Served) -> dict[str, Any]:
    scorer, card = served.scorer, served.card
    data = card.get("data") or {}
    return {
        "version": served.version,
        "goal": scorer.goal,
        "horizon_days": scorer.horizon_days,
        "verdict": _sentence(card.get("verdict")),
        "readiness": _sentence((card.get("readiness") or {}).get("says")),
        "withheld": (card.get("calibration_check") or {}).get("why", "")
        if scorer.probability_withheld
        else None,
        "leads": data.get("leads"),
        "random_split": (card.get("random_split") or {}).get("gap"),
        "n_features": len(scorer.features),
        "grades": _grades(served),
        "figures": _figures(card),
    }


def _sentence(said: str | None) -> str | None:
    return said[:1].upper() + said[1:] if said else None


def _grades(served: Served) -> list[dict[str, Any]]:
    worth = {row.get("grade"): row for row in served.card.get("grades") or ()}
    cuts = served.scorer.grades.thresholds
    highest, rows = 100, []
    for letter, lowest in (*cuts.items(), ("D", 0)):
        found = worth.get(letter, {})
        rows.append(
            {
                "letter": letter,
                "from": lowest,
                "to": highest,
                "share": found.get("share"),
                "goal_rate": found.get("goal_rate"),
            }
        )
        highest = max(lowest - 1, 0)
    return rows


def _figures(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "out_of_time" not in card:
        return []
    return [
        {
            "title": title,
            "value": value,
            "low": None if low != low else low,
            "high": None if high != high else high,
        }
        for title, value, low, high in measured(card)
    ]


def _charts(card: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {name: json.loads(figure.to_json()) for name, figure in figures(card).items()}
    except (KeyError, TypeError, ValueError) as fault:
        # A card from another release must not take the page down.
        logger.warning("the card cannot be drawn: %s", reason_of(fault))
        return {}


def _topics(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    importances = card.get("importances") or {}
    return list(importances.get("topics", ()))[:15] if isinstance(importances, Mapping) else []


def _last_scores(parts: Parts, served: Served | None) -> list[dict[str, Any]] | None:
    try:
        rows = parts.store.scores.recent(limit=_LAST_SCORES)
    except STORE_FAULTS as fault:
        logger.warning("the last scores cannot be read: %s", reason_of(fault))
        return None
    return [
        {
            "lead_id": row.lead_id,
            "score": row.score,
            "grade": row.grade,
            "probability": row.probability,
            "between": _between(row, served),
            "version": row.model_version,
            "at": format_instant(row.cutoff)[:19].replace("T", " "),
            "reasons": [(sentence, points) for sentence, points in json.loads(row.reasons)][:3],
        }
        for row in rows
    ]


def _between(row: ScoreRow, served: Served | None) -> tuple[float, float] | None:
    """The interval of a logged probability, while the version that gave it still serves."""
    if served is None or row.probability is None or row.model_version != served.version:
        return None
    scorer = served.scorer
    if scorer.intervals is None or scorer.goal != row.goal:
        return None
    low, high = scorer.intervals.of(np.array([scorer.scale.margin_of(row.points)]))
    return float(low[0]), float(high[0])
