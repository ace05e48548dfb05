"""Commands that set things up: demo, world, import, serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadloop import console
from leadloop.commands.application import Json, app


@app.command()
def demo(
    wait: Annotated[bool, typer.Option(help="Leave the service running at the end, until Ctrl-C.")] = True,
    leads: Annotated[int, typer.Option(min=2_000, max=200_000)] = 12_000,
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
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
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
    path: Annotated[Path, typer.Argument(help="Folder of the export, or one of its files.")],
    mapping: Annotated[
        Path | None, typer.Option(help="TOML mapping file; the folder's mapping.toml by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import a folder of CSV or Parquet files; every row is accounted for."""
    from data.intake import load_intake
    from data.sources.importing import import_tables
    from data.store import open_trial
    from leadloop.notebook import instant, open_store, settings

    with console.progress(quiet=as_json) as step:
        report = import_tables(
            open_trial(settings().store_url) if dry_run else open_store(),
            path=path,
            mapping=mapping,
            dry_run=dry_run,
            now=instant(),
            intake=load_intake(settings().intake),
            progress=step,
        )
    console.emit(
        report.to_dict(), as_json=as_json, text=lambda: console.out.print(report.text(), markup=False)
    )
    if report.failed_tables:
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="LEADLOOP_HOST by default (127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="LEADLOOP_PORT by default (3000).")
    ] = None,
) -> None:
    """Serve the champion over HTTP; a new champion is picked up without a restart."""
    from leadloop.launch import serve_forever
    from leadloop.notebook import open_registry, settings

    if open_registry().resolve(settings().goal, "champion") is None:
        console.err.print(
            "No model serves yet: scores answer 503 until one is trained and promoted "
            "(leadloop train, leadloop judge, leadloop promote).",
            markup=False,
        )
    serve_forever(host=host, port=port)
