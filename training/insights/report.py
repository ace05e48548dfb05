"""The report for marketing and sales: one page that opens anywhere.

What the model is worth, what moves scores, what a grade is worth, and which champions came before. Charts carry their script with
them, so the page works without a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from data.domain import format_instant
from training.insights.charts import figures

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>leadloop: {goal}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;color:#22303c;max-width:860px;margin:2rem auto;padding:0 1rem}}
h1{{font-size:1.5rem;margin:0}}table{{border-collapse:collapse;margin:1rem 0}}td,th{{padding:.3rem .9rem .3rem 0;text-align:left;
border-bottom:1px solid #e3e8ec}}td.n{{text-align:right;font-variant-numeric:tabular-nums}}.quiet{{color:#66737d}}</style></head><body>
<h1>Lead scores for the goal “{goal}”</h1><p class="quiet">Version {version} · {leads} leads · made {made}</p>
<p><b>{verdict}</b></p>{readiness}<table>{figures}</table>{random_split}{charts}
<h2>Versions</h2><table><tr><th>version</th><th>names</th></tr>{versions}</table>

<p class="quiet">Points say how far something moves a score: 10 points double the odds. They show association, not cause.</p>
</body></html>"""

_NAMES = {
    "log_loss": "Log loss",
    "log_loss_base_rate": "Log loss of the base rate",
    "roc_auc": "ROC-AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "lift_at_10": "Lift in the top 10 %",
}


def measured(card: Mapping[str, Any]) -> list[tuple[str, float, float, float]]:
    """Out-of-time figures of a card in reading order: name, value, low, high of the 95 % interval."""
    found = card["out_of_time"]
    return [
        (
            title,
            found[name]["value"],
            found[name].get("low", float("nan")),
            found[name].get("high", float("nan")),
        )
        for name, title in _NAMES.items()
        if name in found
    ]


def render(card: Mapping[str, Any], versions: Sequence[Mapping[str, Any]], *, number: str, now: int) -> str:
    """The report as one HTML page."""
    rows = "".join(
        f'<tr><td>{escape(title)}, out of time</td><td class="n">{value:.3f}</td>'
        f'<td class="quiet">{low:.3f} to {high:.3f}</td></tr>'
        for title, value, low, high in measured(card)
    )
    charts = "".join(
        figure.to_html(full_html=False, include_plotlyjs=(i == 0), config={"displayModeBar": False})
        for i, figure in enumerate(figures(card).values())
    )
    listed = "".join(
        f"<tr><td>{escape(row['number'])}</td><td>{escape(', '.join(row['aliases']))}</td></tr>"
        for row in versions
    )
    return _PAGE.format(
        goal=escape(card["goal"]),
        version=escape(number),
        leads=f"{card['data']['leads']:,}",
        made=format_instant(now)[:16].replace("T", " ") + " UTC",
        verdict=escape(card["verdict"][:1].upper() + card["verdict"][1:]),
        readiness=f"<p>{escape(ready)}.</p>" if (ready := (card.get("readiness") or {}).get("says")) else "",
        figures=rows,
        random_split=_random_split(card),
        charts=charts,
        versions=listed,
    )


def _random_split(card: Mapping[str, Any]) -> str:
    split = card.get("random_split")
    return f'<p class="quiet">For comparison: {escape(split["gap"])}.</p>' if split else ""
