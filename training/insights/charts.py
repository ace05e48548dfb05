"""Charts of a model card, as Plotly figures.

Used alike by the pages, the report, the notebook and the registry. A chart draws what the card says and computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

FIT, ENGAGEMENT, INK, QUIET = "#3b6ea8", "#d9822b", "#22303c", "#9aa7b2"
_LAYOUT = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
    "margin": {"l": 10, "r": 20, "t": 40, "b": 40},
}


def importances(card: Mapping[str, Any], *, top: int = 15) -> go.Figure:
    """How many points each topic moves a score, on average over the newest leads; the strongest on top."""
    rows = list(card["importances"]["topics"])[:top][::-1]
    figure = go.Figure()
    for group, name, colour in (("fit", "who the lead is", FIT), ("engagement", "what it did", ENGAGEMENT)):
        own = [row for row in rows if row["group"] == group]
        figure.add_bar(
            x=[row["mean_abs_points"] for row in own],
            y=[row["topic"] for row in own],
            orientation="h",
            name=name,
            marker_color=colour,
            hovertemplate="%{y}: %{x:.2f} points<extra></extra>",
        )
    figure.update_layout(
        **_LAYOUT,
        title="What moves scores",
        height=120 + 26 * len(rows),
        xaxis_title="points, average size (10 points double the odds)",
        yaxis={"automargin": True, "categoryorder": "array", "categoryarray": [row["topic"] for row in rows]},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    return figure


def calibration(card: Mapping[str, Any]) -> go.Figure:
    """Predicted against observed goal rate by tenth of the leads, out of time, with intervals."""
    rows = card["calibration"]
    top = max([row["observed"] for row in rows] + [row["predicted"] for row in rows] + [0.01]) * 1.15
    figure = go.Figure()
    figure.add_scatter(
        x=[0, top], y=[0, top], mode="lines", line={"dash": "dot", "color": QUIET}, name="as promised"
    )
    figure.add_scatter(
        x=[row["predicted"] for row in rows],
        y=[row["observed"] for row in rows],
        mode="markers",
        marker={"size": 9, "color": FIT},
        name="leads by tenth",
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [row.get("high", row["observed"]) - row["observed"] for row in rows],
            "arrayminus": [row["observed"] - row.get("low", row["observed"]) for row in rows],
            "color": QUIET,
        },
    )
    figure.update_layout(
        **_LAYOUT,
        title="Is a probability kept?",
        height=380,
        xaxis={"title": "probability the model gave", "tickformat": ".0%", "range": [0, top]},
        yaxis={"title": "share that reached the goal", "tickformat": ".0%", "range": [0, None]},
        showlegend=False,
    )
    return figure


def grades(card: Mapping[str, Any]) -> go.Figure:
    """Goal rate by grade, out of time."""
    rows = card["grades"]
    figure = go.Figure(
        go.Bar(
            x=[row["grade"] for row in rows],
            y=[row["goal_rate"] for row in rows],
            marker_color=FIT,
            text=[f"{row['share']:.0%}<br>of leads" for row in rows],
            textposition="outside",
            textangle=0,
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.1%}<extra></extra>",
        )
    )
    figure.update_layout(
        **_LAYOUT,
        title="What a grade is worth",
        height=320,
        yaxis={"title": "goal rate", "tickformat": ".0%"},
    )
    return figure


def frontier(card: Mapping[str, Any]) -> go.Figure:
    """Goals caught by how many leads a week sales takes, best first, with the chosen A and A + B; the card must have a ``policy``."""
    policy = card["policy"]
    rows = policy["frontier"]
    figure = go.Figure()
    figure.add_scatter(
        x=[row["leads_per_week"] for row in rows],
        y=[row["goals_caught"] for row in rows],
        mode="lines",
        line={"color": FIT},
        customdata=[[row["lowest_score"], row["goal_rate"]] for row in rows],
        hovertemplate="from score %{customdata[0]}: %{x:.0f} leads, %{y:.0%} of goals, %{customdata[1]:.1%} reach it<extra></extra>",
    )
    taken, caught = 0.0, 0.0
    for row, name in zip(policy["grades"][:2], ("A", "A + B"), strict=False):
        taken, caught = taken + row["leads_per_week"], caught + row["goals_caught"]
        figure.add_scatter(
            x=[taken], y=[caught], mode="markers+text", text=[name], textposition="bottom right",
            marker={"size": 10, "color": ENGAGEMENT}, hoverinfo="skip",
        )  # fmt: skip
    figure.update_layout(
        **_LAYOUT,
        title="What capacity buys",
        height=360,
        xaxis={"title": "leads a week", "rangemode": "tozero"},
        yaxis={"title": "share of goals caught", "tickformat": ".0%", "range": [0, 1.05]},
        showlegend=False,
    )
    return figure


def maturity(card: Mapping[str, Any]) -> go.Figure:
    """Share of the goals of a horizon that have come by each day after a lead's creation."""
    rows = card["maturity"]
    figure = go.Figure(
        go.Scatter(
            x=[0, *(row["days"] for row in rows)],
            y=[0, *(row["share"] for row in rows)],
            mode="lines+markers",
            line={"color": FIT},
            hovertemplate="after %{x:.0f} days: %{y:.0%}<extra></extra>",
        )
    )
    figure.update_layout(
        **_LAYOUT,
        title="How soon goals come",
        height=320,
        xaxis={"title": "days after creation", "range": [0, rows[-1]["days"]]},
        yaxis={"title": "share of goals seen", "tickformat": ".0%", "range": [0, 1.05]},
        showlegend=False,
    )
    return figure


def figures(card: Mapping[str, Any]) -> dict[str, go.Figure]:
    """All charts of a card by name."""
    drawn = {"importances": importances(card), "calibration": calibration(card), "grades": grades(card)}
    if card.get("maturity"):
        drawn["maturity"] = maturity(card)
    if card.get("policy"):
        drawn["frontier"] = frontier(card)
    return drawn
