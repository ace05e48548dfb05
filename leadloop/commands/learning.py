"""Commands that learn: train, judge, promote, rollback, retrain."""

from __future__ import annotations

from typing import Annotated

import typer

from leadloop import console
from leadloop.commands.application import (
    NOT_PROMOTED,
    ConfigFile,
    FeaturesFile,
    Json,
    Now,
    Version,
    app,
    read_config,
    tell_champion,
)
from leadloop.showing import show_card, show_verdict


@app.command()
def train(
    config: ConfigFile = None,
    features: FeaturesFile = None,
    now: Now = None,
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Train on every mature lead and register the model as challenger."""
    from leadloop.notebook import build_dataset, existing_store, instant, open_registry
    from training.insights.charts import figures
    from training.learning.run import train as run_training

    chosen = read_config(config)
    with console.progress(quiet=as_json) as step:
        step("reading leads", 0, 1)
        dataset = build_dataset(
            existing_store(),
            goal=chosen.goal,
            horizon_days=chosen.horizon_days,
            now=now,
            ages_days=chosen.ages_days,
            immature=chosen.immature,
            features=features or (),
        )
        step("reading leads", 1, 1)
    for note in dataset.notes if features else ():
        console.err.print(f"Note: {note}", markup=False)
    with console.progress(quiet=as_json) as step:
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
    version: Version = "challenger",
    now: Now = None,
    as_json: Json = False,
) -> None:
    """Compare a version with the champion on the newest mature leads. Exit code 3: not to be promoted."""
    from leadloop import notebook

    verdict = notebook.judge(version, store=notebook.existing_store(), now=now)
    console.emit(verdict.to_dict(), as_json=as_json, text=lambda: show_verdict(verdict))
    if not verdict.promote:
        raise typer.Exit(NOT_PROMOTED)


@app.command()
def promote(
    version: Version,
    accept_leaks: Annotated[bool, typer.Option(help="Promote although the model looks too good.")] = False,
    new_family: Annotated[
        bool, typer.Option(help="Promote although its label means something else than the champion's.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a version the champion; running services pick it up within seconds."""
    from leadloop import notebook

    made = notebook.promote(version, accept_leaks=accept_leaks, new_family=new_family)
    card = notebook.open_registry().card(made.goal, made.number)
    if card["candidate"] == "base_rate":
        console.err.print(
            f"Warning: version {made.number} gives every lead the same score. {card['verdict']}", markup=False
        )
    tell_champion(made, as_json=as_json)


@app.command()
def rollback(as_json: Json = False) -> None:
    """Make the previous champion champion again."""
    from leadloop import notebook

    tell_champion(notebook.rollback(), as_json=as_json)


@app.command()
def retrain(
    config: ConfigFile = None,
    features: FeaturesFile = None,
    now: Now = None,
    seed: int = 0,
    as_json: Json = False,
) -> None:
    """Train, judge and, when the challenger is better, promote. Exit code 3: not promoted.

    Without --features, the champion's own features are kept.
    """
    from features.defining import read_features
    from leadloop.notebook import existing_store, instant, open_registry
    from training.loop.retraining import retrain as turn_the_loop

    with console.progress(quiet=as_json) as step:
        turn = turn_the_loop(
            existing_store(),
            open_registry(),
            now=instant(now),
            config=read_config(config),
            seed=seed,
            progress=step,
            own=None if features is None else read_features(features),
        )

    def text() -> None:
        show_card(turn.result.card)
        console.out.print(f"Version {turn.version.number}:", end=" ")
        show_verdict(turn.verdict)

    result = {"version": turn.version.number, "promoted": turn.promoted, "verdict": turn.verdict.to_dict()}
    console.emit({**result, "card": turn.result.card}, as_json=as_json, text=text)
    if not turn.promoted:
        raise typer.Exit(NOT_PROMOTED)
