"""Commands about leads: score, outcomes, dead-letters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data.domain import format_instant
from data.errors import ConfigError, ContractError
from leadloop import console
from leadloop.commands.application import Json, Now, app, write_text
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

    scorer, store = notebook.load_scorer(version), notebook.existing_store()
    if lead_ids:
        seen = notebook.snapshots(store, lead_ids, cutoff=now)
        missing = [lead_id for lead_id in lead_ids if lead_id not in set(seen.lead_ids)]
        if barred := store.privacy.barred(missing):
            raise ContractError(
                f"{len(barred)} of these leads are erased or suppressed, and are not scored; leave them away"
            )
        if missing:
            raise ContractError(
                f"nothing is known of {', '.join(missing[:5])}; import the lead or check its id"
            )
        if out is not None:
            raise ConfigError("--out is for scoring all leads; leave the lead ids away, or the option")
        rows = explained(scorer, seen)
        console.emit({"scores": rows}, as_json=as_json, text=lambda: show_scores(rows))
        return
    frame = scorer.score(notebook.snapshots(store, cutoff=now)).sort_values(
        "score", ascending=False, kind="stable"
    )
    if out is not None:
        write_text(out, frame.to_csv(index=False))
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
    lead_id: Annotated[str, typer.Argument(help="The CRM's id of the lead.")],
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
    from data.domain import Outcome, check_id
    from leadloop.notebook import existing_store, instant

    store, now = existing_store(), instant()
    lead_id = check_id(lead_id, name="lead_id")
    if lead_id not in store.histories([lead_id]):
        raise ContractError(f"nothing is known of {lead_id}; import the lead or check its id")
    if kind is not None:
        when = now if at is None else instant(at, name="--at")
        if when > now:
            raise ContractError(
                f"--at lies in the future; an outcome is recorded once it has happened, found {at}"
            )
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


@app.command("dead-letters")
def dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """List messages that were acknowledged and could not be used, the newest first; --json shows them whole."""
    from leadloop.notebook import existing_store

    held = existing_store().dead_letters.recent(limit=limit)
    rows = [{**letter._asdict(), "received_at": format_instant(letter.received_at)} for letter in held]

    def text() -> None:
        if not rows:
            console.out.print("There are none.")
            return
        columns = ("received_at", "source", "lead_id", "why")
        console.table(columns, [[row[c] or "" for c in columns] for row in rows])

    console.emit({"dead_letters": rows}, as_json=as_json, text=text)
