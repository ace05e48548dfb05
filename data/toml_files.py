"""Reading a TOML file that somebody wrote."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from data.errors import ConfigError


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file. Raises ConfigError when it cannot be read or is no TOML, naming it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
