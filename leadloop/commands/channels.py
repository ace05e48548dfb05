"""Commands about what marketing did: attribution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadloop import console
from leadloop.commands.application import Json, Now, app, write_text


@app.command()
def attribution(
    goal: Annotated[
        str | None, typer.Option(help="qualified or won; the goal of this environment by default.")
    ] = None,
    by: Annotated[str, typer.Option(help="channel, campaign, type, content or direction.")] = "channel",
    rule: Annotated[
        list[str] | None,
        typer.Option(help="first, last, linear, time_decay, position, markov or shapley; none: all seven."),
    ] = None,
    lookback_days: Annotated[
        float | None, typer.Option(help="Leave out touchpoints this long before the goal, or longer.")
    ] = None,
    half_life_days: Annotated[float, typer.Option(help="Of the rule time_decay.")] = 7.0,
    resamples: Annotated[int, typer.Option(min=0, help="Resamples of the leads for the intervals.")] = 200,
    seed: int = 0,
    out: Annotated[Path | None, typer.Option(help="Write every rule and channel to this CSV file.")] = None,
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Credit goals and revenue to channels. With one --rule, intervals and revenue are shown."""
    from leadloop import notebook

    chosen = notebook.settings().goal if goal is None else goal
    more = {} if rule is None else {"rules": list(dict.fromkeys(rule))}
    frame = notebook.attribute(
        notebook.existing_store(),
        goal=chosen,
        by=by,
        now=now,
        lookback_days=lookback_days,
        half_life_days=half_life_days,
        n_resamples=resamples,
        seed=seed,
        **more,
    )
    if out is not None:
        write_text(out, frame.to_csv(index=False))
    console.emit(
        {"goal": chosen, "by": by, "credits": frame.to_dict("records")},
        as_json=as_json,
        text=lambda: _show(frame, goal=chosen, by=by),
    )


def _show(frame: Any, *, goal: str, by: str) -> None:
    rules = list(dict.fromkeys(frame["rule"]))
    n_goals = round(frame.loc[frame["rule"] == rules[0], "goals"].sum())
    if len(rules) == 1:
        columns = ["channel", "leads", "goals", "low", "high", "share", "revenue"]
        shown = frame.sort_values("goals", ascending=False, kind="stable")[columns]
    else:
        shown = frame.pivot(index="channel", columns="rule", values="goals")[rules]
        shown = shown.loc[shown.mean(axis=1).sort_values(ascending=False, kind="stable").index].reset_index()
    console.table(
        [by, *shown.columns[1:]],
        shown.astype(object).to_numpy().tolist(),
        title=f"{n_goals:,} goals ({goal}) by {by}",
    )
    if len(rules) > 1:
        console.out.print("Goals credited by each rule; --rule markov shows intervals and revenue of one.")
