"""The files of a registered version: the scorer that ships, its card, and the scorer it is judged by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from training.scorer.artifact import save_scorer

if TYPE_CHECKING:
    from training.learning.run import TrainingResult

HELD_OUT = "held_out"


def write_files(result: TrainingResult, folder: Path, *, reference_log_odds: float) -> None:
    """All files of a version: the scorer, its card, and the scorer that has not seen the newest leads."""
    save_scorer(result.scorer.with_reference(reference_log_odds), folder)
    (folder / "card.json").write_text(json.dumps(result.card, sort_keys=True, indent=1))
    save_scorer(result.evaluation.scorer.with_reference(reference_log_odds), folder / HELD_OUT)
