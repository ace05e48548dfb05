"""The application all commands are registered on, and the options they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from data.errors import ConfigError
from leadloop import console

app = typer.Typer(
    name="leadloop",
    help="Lead scoring that closes the loop between marketing and sales.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Now = Annotated[
    str | None, typer.Option(help="Work as of this time (ISO 8601 with a zone) instead of this moment.")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help='A TOML file with a [train] table, e.g. goal = "won".')
]
FeaturesFile = Annotated[
    Path | None,
    typer.Option("--features", help="A TOML file with your own features, added to the catalog's."),
]
Version = Annotated[str, typer.Argument(help="Version number, or alias: champion, challenger.")]

NOT_PROMOTED = 3


def read_config(path: Path | None) -> Any:
    """The training settings of a file, or the defaults with the goal of this environment."""
    from leadloop.notebook import settings
    from training.learning.config import TrainConfig

    return TrainConfig(goal=settings().goal) if path is None else TrainConfig.from_toml(path)


def write_text(path: Path, text: str) -> None:
    """Write a result file. Raises ConfigError when the place cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise ConfigError(
            f"cannot write {path}: {fault.strerror}; choose another place with --out"
        ) from fault


def tell_champion(made: Any, *, as_json: bool) -> None:
    """Say which version serves now."""
    console.emit(
        {"goal": made.goal, "champion": made.number},
        as_json=as_json,
        text=lambda: console.out.print(f"Version {made.number} is now champion for the goal {made.goal!r}."),
    )
