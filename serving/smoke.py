"""A scorer tried out in a process of its own.

A damaged tree file can abort or hang the process that parses it. So a process that nobody misses parses it first:
``python -m serving.smoke FOLDER`` ends with 0 when the files agree with their sums and the scorer answers its golden rows to the bit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from data.errors import DamagedScorerError, LeadloopError

_PATIENCE_SECONDS = 60.0


def try_out(folder: Path, *, patience: float = _PATIENCE_SECONDS) -> None:
    """Raises DamagedScorerError when the scorer in ``folder`` fails, crashes, or does not answer within ``patience`` seconds."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "OMP_NUM_THREADS": "1",
    }
    try:
        trial = subprocess.run(
            [sys.executable, "-m", "serving.smoke", str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DamagedScorerError(
            f"the scorer did not answer its golden rows within {patience:.0f} s"
        ) from None
    if trial.returncode != 0:
        said = trial.stderr.decode(errors="replace").strip().splitlines()
        why = (
            said[-1][:300]
            if said and trial.returncode > 0
            else f"the process died of signal {-trial.returncode}"
        )
        raise DamagedScorerError(f"the scorer failed its trial: {why}")


def main(folder: str) -> int:
    """Load the scorer in ``folder``; loading compares sums and golden rows."""
    from training.scorer.artifact import load_scorer_folder

    try:
        load_scorer_folder(Path(folder))
    except LeadloopError as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
