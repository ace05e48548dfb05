"""The blend is taken unless another model is clearly better; the base rate where none beats it."""

from __future__ import annotations

import numpy as np
import pytest

from training.learning.choice import OutOfFold, choose, clearly
from training.learning.config import TrainConfig

N, FOLD = 2_000, np.repeat(np.arange(4), 500)


def race(**spread: float) -> tuple[OutOfFold, np.ndarray]:
    """Candidates whose log-odds are the truth, blurred by normal noise of this spread."""
    rng = np.random.default_rng(2)
    truth = rng.normal(-1.0, 1.0, size=N)
    y = (rng.random(N) < 1 / (1 + np.exp(-truth))).astype(float)
    margins = {"base_rate": np.full(N, -0.85)}
    margins |= {
        name: truth + rng.normal(0, blur, size=N) if blur < 9 else rng.normal(size=N)
        for name, blur in spread.items()
    }
    return OutOfFold(np.arange(N), FOLD, margins), y


def chosen(config: TrainConfig | None = None, **spread: float):
    oof, y = race(**spread)
    return choose(oof, y, np.ones(N), config=config or TrainConfig())


def test_near_equals_leave_the_blend():
    assert chosen(scorecard=0.3, trees=0.3, blend=0.2).candidate == "blend"


def test_a_clearly_better_model_replaces_the_blend():
    choice = chosen(scorecard=2.0, trees=0.1, blend=1.5)
    assert choice.candidate == "trees"
    assert "ahead of the blend" in choice.why


def test_without_signal_the_base_rate_is_chosen():
    choice = chosen(scorecard=9, trees=9, blend=9)
    assert choice.candidate == "base_rate"
    assert "behind" in choice.why
    assert set(choice.log_loss) == {"base_rate", "scorecard", "trees", "blend"}


def test_a_candidate_that_is_not_allowed_is_not_chosen():
    assert (
        chosen(TrainConfig(candidates=("scorecard", "trees")), scorecard=1.5, trees=0.1, blend=0.1).candidate
        == "trees"
    )
    assert chosen(TrainConfig(candidates=("base_rate",)), blend=0.1).candidate == "base_rate"
    assert chosen(TrainConfig(candidates=("blend",)), blend=9).candidate == "blend"


def test_a_gain_that_changes_sign_between_folds_is_not_clear():
    noise = np.random.default_rng(0).normal(0, 0.01, size=N)
    steady = noise + 0.1
    fickle = noise + np.array([0.5, -0.3, 0.5, -0.3])[FOLD]
    assert clearly(steady, np.ones(N), FOLD) > 10 > 1 > clearly(fickle, np.ones(N), FOLD)


def test_no_gain_at_all_is_zero_and_not_a_division():
    assert clearly(np.zeros(N), np.ones(N), FOLD) == 0.0


def test_the_sign_of_a_gain_is_kept():
    gain = np.random.default_rng(1).normal(0.2, 1.0, size=N)
    assert clearly(gain, np.ones(N), FOLD) == pytest.approx(-clearly(-gain, np.ones(N), FOLD))
