"""The `leadloop` command.

Exit codes, for scripts: 0 done; 1 refused, with a message that says how to mend it; 2 wrong usage; 3 judged and not promoted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from data.errors import LeadloopError
from leadloop import console
from leadloop.options import ConfigFile, Json, Now
from leadloop.showing import show_card, show_scores, show_verdict
from leadloop.versions import report, reproduce

app = typer.Typer(
    name="leadloop",
    help="Lead scoring that closes the loop between marketing and sales.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

NOT_PROMOTED = 3


def main() -> None:
    """Run the command; a refusal is one line on standard error and exit code 1."""
    try:
        app()
    except LeadloopError as refusal:
        console.err.print(f"[bold red]{type(refusal).__name__}[/]: ", end="")
        console.err.print(str(refusal), markup=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@app.command()
def demo(
    wait: Annotated[bool, typer.Option(help="Leave the service running at the end, until Ctrl-C.")] = True,
    leads: Annotated[int, typer.Option(min=2_000, max=200_000)] = 6_000,
    seed: int = 7,
    home: Annotated[Path, typer.Option(help="Folder for the demo's files; emptied first.")] = Path(
        "var/demo"
    ),
) -> None:
    """The whole loop on a synthetic world: import, train, serve, score, outcome, retrain."""
    from leadloop.demo import run_demo

    raise typer.Exit(run_demo(home=home, leads=leads, seed=seed, wait=wait))


@app.command()
def world(
    folder: Path,
    leads: Annotated[int, typer.Option(min=2_000, max=200_000)] = 5_000,
    seed: int = 7,
    end: Annotated[str | None, typer.Option(help="The world's today (ISO 8601 with a zone).")] = None,
    truth: Annotated[Path | None, typer.Option(help="Also write the true probabilities to this CSV.")] = None,
    as_json: Json = False,
) -> None:
    """Write a synthetic firm's CRM export: CSV files and the mapping to import them."""
    from data.world import make_world, write_truth, write_world
    from leadloop.notebook import instant

    with console.progress(quiet=as_json) as step:
        step("making the world", 0, 2)
        made = make_world(leads, seed=seed, end=None if end is None else instant(end))
        step("making the world", 1, 2)
        write_world(made, folder)
        step("making the world", 2, 2)
    if truth is not None:
        write_truth(made, truth)
    counts = {"leads": len(made.leads), "touchpoints": len(made.touchpoints), "outcomes": len(made.outcomes)}
    said = ", ".join(f"{n:,} {what}" for what, n in counts.items())
    console.emit(
        {"folder": str(folder), **counts},
        as_json=as_json,
        text=lambda: console.out.print(f"{said} written to {folder}; next: leadloop import {folder}"),
    )


@app.command(name="import")
def import_(
    path: Path,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML mapping file; the folder's mapping.toml by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import a folder of CSV or Parquet files; every row is accounted for."""
    from data.sources.importing import import_tables
    from leadloop.notebook import instant, open_store

    with console.progress(quiet=as_json) as step:
        report = import_tables(
            open_store(), path=path, mapping=mapping, dry_run=dry_run, now=instant(), progress=step
        )
    console.emit(
        report.to_dict(), as_json=as_json, text=lambda: console.out.print(report.text(), markup=False)
    )


@app.command()
def train(config: ConfigFile = None, now: Now = None, seed: int = 0, as_json: Json = False) -> None:
    """Train on every mature lead and register the model as challenger."""
    from leadloop.notebook import build_dataset, instant, open_registry, open_store
    from training.insights.charts import figures
    from training.learning.run import train as run_training

    chosen = _config(config)
    with console.progress(quiet=as_json) as step:
        step("reading leads", 0, 1)
        dataset = build_dataset(
            open_store(),
            goal=chosen.goal,
            horizon_days=chosen.horizon_days,
            now=now,
            ages_days=chosen.ages_days,
        )
        step("reading leads", 1, 1)
        result = run_training(dataset, chosen, seed=seed, progress=step)
    version = open_registry().register(result, now=instant(), figures=figures(result.card))

    def text() -> None:
        show_card(result.card)
        console.out.print(
            f"Registered as version {version.number} (challenger); next: leadloop judge {version.number}"
        )

    console.emit({"version": version.number, "card": result.card}, as_json=as_json, text=text)


@app.command()
def judge(
    version: Annotated[str, typer.Argument(help="Version number or alias.")] = "challenger",
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Compare a version with the champion on the newest mature leads. Exit code 3: not to be promoted."""
    from leadloop import notebook

    verdict = notebook.judge(version, now=now)
    console.emit(verdict.to_dict(), as_json=as_json, text=lambda: show_verdict(verdict))
    if not verdict.promote:
        raise typer.Exit(NOT_PROMOTED)


@app.command()
def promote(
    version: str,
    accept_leaks: Annotated[bool, typer.Option(help="Promote although the model looks too good.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version the champion; running services pick it up within seconds."""
    from leadloop import notebook

    _champion(notebook.promote(version, accept_leaks=accept_leaks), as_json=as_json)


@app.command()
def rollback(as_json: Json = False) -> None:
    """Make the previous champion champion again."""
    from leadloop import notebook

    _champion(notebook.rollback(), as_json=as_json)


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
def serve(
    host: Annotated[str | None, typer.Option(help="LEADLOOP_HOST by default (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="LEADLOOP_PORT by default (3000).")] = None,
) -> None:
    """Serve the champion over HTTP; a new champion is picked up without a restart."""
    from leadloop.launch import serve_forever

    serve_forever(host=host, port=port)


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


@app.command()
def retrain(config: ConfigFile = None, now: Now = None, seed: int = 0, as_json: Json = False) -> None:
    """Train, judge and, when the challenger is better, promote. Exit code 3: not promoted."""
    from leadloop.notebook import instant, open_registry, open_store
    from training.loop.retraining import retrain as turn_the_loop

    with console.progress(quiet=as_json) as step:
        turn = turn_the_loop(
            open_store(), open_registry(), now=instant(now), config=_config(config), seed=seed, progress=step
        )

    def text() -> None:
        show_card(turn.result.card)
        console.out.print(f"Version {turn.version.number}:", end=" ")
        show_verdict(turn.verdict)

    result = {"version": turn.version.number, "promoted": turn.promoted, "verdict": turn.verdict.to_dict()}
    console.emit({**result, "card": turn.result.card}, as_json=as_json, text=text)
    if not turn.promoted:
        raise typer.Exit(NOT_PROMOTED)


app.command()(report)
app.command()(reproduce)


def _config(path: Path | None) -> Any:
    from training.learning.config import TrainConfig

    return TrainConfig() if path is None else TrainConfig.from_toml(path)


def _champion(made: Any, *, as_json: bool) -> None:
    console.emit(
        {"goal": made.goal, "champion": made.number},
        as_json=as_json,
        text=lambda: console.out.print(f"Version {made.number} is now champion for the goal {made.goal!r}."),
    )


if __name__ == "__main__":
    main()
