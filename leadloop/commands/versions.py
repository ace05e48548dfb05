"""Commands about one registered version: its report, and making it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadloop import console
from leadloop.commands.application import Json, app, write_text
from leadloop.showing import show_card


@app.command()
def report(
    version: Annotated[str, typer.Argument(help="Alias or version number.")] = "champion",
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    as_json: Json = False,
) -> None:
    """Write what the model is worth and what moves scores as one HTML page."""
    from leadloop.notebook import instant, open_registry, settings
    from training.insights.report import render

    goal, registry = settings().goal, open_registry()
    card = registry.card(goal, version)
    number = str(registry.resolve(goal, version))
    page = render(card, registry.versions(goal), number=number, now=instant())
    write_text(out, page)

    def text() -> None:
        show_card(card)
        console.out.print(f"Written to {out}")

    console.emit({"file": str(out), "version": number, "card": card}, as_json=as_json, text=text)


@app.command()
def reproduce(
    version: Annotated[str, typer.Argument(help="Alias or version number.")] = "champion",
    as_json: Json = False,
) -> None:
    """Train a version again on the data of then and compare the files. Exit code 1: they differ."""
    from leadloop.notebook import open_registry, open_store, settings
    from training.loop.reproducing import reproduce as make_again

    with console.progress(quiet=as_json) as step:
        made = make_again(open_registry(), open_store(), goal=settings().goal, version=version, progress=step)
    console.emit(made.to_dict(), as_json=as_json, text=lambda: console.out.print(made.why, markup=False))
    if not made.identical:
        raise typer.Exit(1)
