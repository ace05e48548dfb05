"""Commands about leads: score, outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadloop import console
from leadloop.commands.application import Json, Now, app
from leadloop.showing import show_scores


@app.command()
def score(
    lead_ids: Annotated[
        list[str] | None, typer.Argument(help="Leads to score with reasons; none: all leads.")
    ] = None,
    version: Annotated[str, typer.Option(help="Alias or version number.")] = "champion",
    out: Annotated[Path | None, typer.Option(help="Write all scores to this CSV file.")] = None,
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Score leads of the store."""
    from leadloop import notebook
    from leadloop.scoring import explained

    store, scorer = notebook.open_store(), notebook.load_scorer(version)
    if lead_ids:
        rows = explained(scorer, notebook.snapshots(store, lead_ids, cutoff=now))
        console.emit({"scores": rows}, as_json=as_json, text=lambda: show_scores(rows))
        return
    frame = scorer.score(notebook.snapshots(store, cutoff=now)).sort_values(
        "score", ascending=False, kind="stable"
    )
    if out is not None:
        frame.to_csv(out, index=False)
    shown = frame if as_json else frame.head(20)
    columns = ["lead_id", "score", "grade", "probability", "model_version"]
    console.emit(
        {"scores": shown.to_dict("records"), "leads": len(frame)},
        as_json=as_json,
        text=lambda: console.table(
            columns, shown[columns].to_numpy().tolist(), title=f"{len(frame):,} leads"
        ),
    )


@app.command()
def outcomes(
    lead_id: str,
    kind: Annotated[
        str | None, typer.Argument(help="won, lost, qualified, ...; none: list what is known.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="When it happened (ISO 8601 with a zone); now by default.")
    ] = None,
    amount: float | None = None,
    as_json: Json = False,
) -> None:
    """Record what became of a lead, or list what is known."""
    from data.domain import Outcome, check_id, format_instant
    from leadloop.notebook import instant, open_store

    store, now = open_store(), instant()
    lead_id = check_id(lead_id, name="lead_id")
    if kind is not None:
        when = instant(at)
        outcome_id = f"{lead_id}:{kind}:{when}"
        store.add_outcomes(
            [Outcome(outcome_id, lead_id, kind, when, amount=amount, received_at=now, source="command")],
            now=now,
        )
    rows = [
        {
            "outcome_id": o.outcome_id,
            "kind": o.kind,
            "occurred_at": format_instant(o.occurred_at),
            "undoes": o.undoes,
        }
        for o in store.outcomes_of([lead_id]).get(lead_id, [])
    ]
    columns = ["outcome_id", "kind", "occurred_at"]
    console.emit(
        {"lead_id": lead_id, "outcomes": rows},
        as_json=as_json,
        text=lambda: console.table(columns, [[row[c] for c in columns] for row in rows], title=lead_id),
    )
