"""The `leadloop` command.

Exit codes, for scripts: 0 done; 1 refused, with a message that says how to mend it; 2 wrong usage; 3 judged and not promoted; 130 and 143
ended by Ctrl-C or SIGTERM, after tidying up.
"""

from __future__ import annotations

import signal
import sys

from data.errors import LeadloopError
from leadloop import console
from leadloop.commands import (
    channels,
    features,
    files,
    keys,
    leads,
    learning,
    privacy,
    setup,
    upkeep,
    versions,
)
from leadloop.commands.application import app

__all__ = [
    "app",
    "channels",
    "features",
    "files",
    "keys",
    "leads",
    "learning",
    "main",
    "privacy",
    "setup",
    "upkeep",
    "versions",
]


def main() -> None:
    """Run the command; a refusal is one line on standard error and exit code 1."""
    # As Ctrl-C does: what was started is stopped, what is half written is taken away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except LeadloopError as refusal:
        console.err.print(f"[bold red]{type(refusal).__name__}[/]: ", end="")
        console.err.print(str(refusal), markup=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
