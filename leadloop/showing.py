"""Cards, verdicts and scores as a person reads them in a terminal."""

from __future__ import annotations

from typing import Any

from leadloop import console
from training.insights.report import measured


def show_card(card: dict[str, Any]) -> None:
    """The card's figures as a table, then its verdict."""
    data = card["data"]
    console.out.print(
        f"{data['leads']:,} leads, {data['rows']:,} rows, {card['goal']} rate {data['goal_rate']:.1%}; chosen: {card['candidate']}"
    )
    rows = [[title, value, low, high] for title, value, low, high in measured(card)]
    console.table(["out of time", "value", "low", "high"], rows)
    if split := card.get("random_split"):
        console.out.print(f"[dim]For comparison: {split['gap']}.[/]")
    show_leaks(card["leaks"])
    if (ready := card.get("readiness")) and ready["missing"]:
        console.out.print(ready["says"])
    console.out.print(card["verdict"])


def show_leaks(findings: list[dict[str, Any]]) -> None:
    """What the leak probes found, blocked fields first; nothing when they found nothing."""
    if findings:
        console.table(["field", "leak?", "why"], [[f["field"], f["action"], f["says"]] for f in findings])


def show_verdict(verdict: Any) -> None:
    """Promote or not, why, and the paired figures."""
    console.out.print(f"[bold]{'promote' if verdict.promote else 'do not promote'}[/]: {verdict.why}")
    if verdict.table:
        headers = list(verdict.table[0])
        console.table(headers, [[row[h] for h in headers] for row in verdict.table])


def show_scores(rows: list[dict[str, Any]]) -> None:
    """Several leads, one after the other."""
    for row in rows:
        show_score(row)


def show_score(row: dict[str, Any]) -> None:
    """One lead's score and how its points add up."""
    probability = row["probability"]
    if probability is None:
        said = ", probability withheld (see the card's calibration check)"
    else:
        between = "" if row["low"] is None else f" ({row['low']:.1%} to {row['high']:.1%})"
        said = f", {probability:.1%}{between} within {row['horizon_days']} days"
    console.out.print(
        f"{row['lead_id']}: score {row['score']} ({row['grade']}){said}, version {row['model_version']}"
    )
    rows = [["baseline", "", row["baseline_points"]]]
    rows += [[r["sentence"], r["group"], r["points"]] for r in row["reasons"]]
    rows.append(["all smaller ones", "", row["small_points"]])
    rows.append(["sum", "", row["points"]])
    console.table(["why", "group", "points"], rows)
