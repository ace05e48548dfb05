"""Commands that keep a version fitting: recalibrate, grades."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from leadloop import console
from leadloop.commands.application import Json, Now, app

OUT_OF_BAND = 3

Promote = Annotated[bool, typer.Option("--promote", help="Make the new version the champion at once.")]
Which = Annotated[str, typer.Option(help="Alias or version number to start from.")]


@app.command()
def recalibrate(
    version: Annotated[str, typer.Argument(help="Alias or version number.")] = "champion",
    always: Annotated[
        bool, typer.Option("--always", help="Make a version also when no shift is found.")
    ] = False,
    promote: Promote = False,
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Test for a moved base rate on the newest mature leads, and mend it by the intercept alone: a new version, without retraining."""
    from leadloop import notebook

    made, shift = notebook.recalibrate(version, always=always, now=now)
    if made is not None and promote:
        notebook.promote(made)

    def text() -> None:
        console.out.print(shift.why, markup=False)
        _told(None if made is None else made.number, promoted=promote, none="Nothing to mend.")

    console.emit(
        {
            "version": None if made is None else made.number,
            "promoted": bool(made) and promote,
            "shift": shift.to_dict(),
        },
        as_json=as_json,
        text=text,
    )


@app.command()
def grades(
    per_week: Annotated[float | None, typer.Option(help="Leads sales can take in a week: A and B.")] = None,
    value_of_goal: Annotated[float | None, typer.Option(help="What a reached goal is worth.")] = None,
    cost_of_lead: Annotated[float | None, typer.Option(help="What working one lead costs.")] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Compare last week's volume with the band. Exit code 3: it left the band."
        ),
    ] = False,
    version: Which = "champion",
    promote: Promote = False,
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Choose grades from capacity or from worth, as a new version; without options, show the grades of a version."""
    from leadloop import notebook

    if check:
        alarm = notebook.check_grades(version, now=now)
        console.emit(
            alarm.to_dict(), as_json=as_json, text=lambda: console.out.print(alarm.why, markup=False)
        )
        if alarm.alarm:
            raise typer.Exit(OUT_OF_BAND)
        return
    if per_week is None and value_of_goal is None and cost_of_lead is None:
        card = notebook.open_registry().card(notebook.settings().goal, version)
        _show({"policy": card.get("policy"), "grades": card["grades"]}, as_json=as_json, after=None)
        return
    made, policy = notebook.grades(
        version, per_week=per_week, value_of_goal=value_of_goal, cost_of_lead=cost_of_lead, now=now
    )
    if promote:
        notebook.promote(made)
    _show(
        {"version": made.number, "promoted": promote, "policy": policy, "grades": policy["grades"]},
        as_json=as_json,
        after=lambda: _told(made.number, promoted=promote),
    )


def _show(found: dict[str, Any], *, as_json: bool, after: Any) -> None:
    def text() -> None:
        columns = [
            "grade",
            "lowest_score",
            "leads_per_week",
            "goals_per_week",
            "goals_caught",
            "goal_rate",
            "low",
            "high",
        ]
        shown = [c for c in columns if all(row.get(c) is not None for row in found["grades"])]
        console.table(shown, [[row[c] for c in shown] for row in found["grades"]])
        policy = found["policy"]
        if policy:
            band = policy["band"]
            console.out.print(
                f"A and B together: {band['expected']:.0f} leads a week, alarm below {band['low']:.0f} or above {band['high']:.0f}"
            )
        if after is not None:
            after()

    console.emit(found, as_json=as_json, text=text)


def _told(number: str | None, *, promoted: bool, none: str = "") -> None:
    if number is None:
        console.out.print(none)
    elif promoted:
        console.out.print(f"Version {number} is registered and is champion now.")
    else:
        console.out.print(f"Registered as version {number} (challenger); next: leadloop promote {number}")
