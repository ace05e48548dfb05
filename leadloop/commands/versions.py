"""Commands about registered versions: a report, making one again, and what a challenger says in shadow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leadloop import console
from leadloop.commands.application import Json, app, write_text
from leadloop.showing import show_card

if TYPE_CHECKING:
    from training.loop.shadow import ShadowReport


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


@app.command()
def shadow(
    newest: Annotated[
        int, typer.Option(min=1, help="How many of the challenger's scores to look at.")
    ] = 10_000,
    as_json: Json = False,
) -> None:
    """Compare what the challenger said in shadow (LEADLOOP_SHADOW=challenger) with what was answered."""
    from leadloop import notebook

    found = notebook.shadow(newest=newest)
    console.emit(found.to_dict(), as_json=as_json, text=lambda: _show(found))


def _show(found: ShadowReport) -> None:
    columns = [
        "champion", "challenger", "pairs", "difference", "absolute_difference", "other_grade", "champion_probability",
        "challenger_probability",
    ]  # fmt: skip
    cells = [[getattr(row, name) for name in columns] for row in found.contrasts]
    console.table(
        [name.replace("_", " ") for name in columns],
        [["withheld" if cell is None else cell for cell in row] for row in cells],
        title="Challenger minus champion, in points",
    )
    latest = found.contrasts[0]
    console.table(
        ["grade", f"version {latest.champion}", f"version {latest.challenger}"],
        [[grade, n, latest.challenger_grades[grade]] for grade, n in latest.champion_grades.items()],
        title="Scores by grade",
    )
    if found.unpaired:
        console.out.print(f"{found.unpaired:,} scores are left out: their answers are no longer in the log.")
    console.out.print(found.why, markup=False)
