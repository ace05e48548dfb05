"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Now = Annotated[
    str | None, typer.Option(help="Work as of this time (ISO 8601 with a zone) instead of this moment.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file with a [train] table.")]
