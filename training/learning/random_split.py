"""The figure that flatters: the same model judged on rows dealt at random.

It is what is usually reported, and it is shown beside the out-of-time figures only because the gap warns: a random split lets a model
learn from the future of the leads it is tested on, and from other rows of the very same lead. Nothing is chosen by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from training.learning.candidates import base_log_odds
from training.learning.config import TrainConfig
from training.learning.dataset import Dataset
from training.learning.evaluation import measures
from training.learning.fitting import fit_parts
from training.scorer.scale import probability_of

LABEL = "on rows dealt at random, which flatters: not what to expect"
# A difference in ROC-AUC below this is not worth a warning.
_NOTABLE = 0.01
_MOST_RESAMPLES = 50

Figures = Mapping[str, Mapping[str, float]]


def random_split(
    dataset: Dataset,
    *,
    among: np.ndarray,
    n_test: int,
    candidate: str,
    config: TrainConfig,
    seed: int,
    out_of_time: Figures,
) -> dict[str, Any]:
    """The part of the card on the random split: ``label``, ``candidate``, ``metrics`` (those of ``out_of_time``) and ``gap``, one sentence.

    Parameters
    ----------
    among : row numbers to deal; ``n_test`` of them are tested, the rest is learned from.
    candidate : the chosen one. For the base rate, which gains nothing by any split, the first model allowed is taken, because what it would
        have promised is the warning.
    """
    models = [
        name for name in ("blend", *config.candidates) if name in config.candidates and name != "base_rate"
    ]
    shown = models[0] if candidate == "base_rate" and models else candidate
    dealt = np.random.default_rng([seed, 23]).permutation(among)
    test, train = np.sort(dealt[:n_test]), np.sort(dealt[n_test:])
    parts = fit_parts(dataset, train, candidates=[shown], config=config, seed=seed)
    probability = probability_of(parts.candidate(shown).margin(parts.columns(dataset.matrix, test)))
    base = float(probability_of(np.array([base_log_odds(dataset.y[train], dataset.weight[train])]))[0])
    metrics = measures(
        dataset.y[test], probability, base, dataset.weight[test], np.unique(dataset.lead_numbers[test], return_inverse=True)[1],
        n_bootstrap=min(config.n_bootstrap, _MOST_RESAMPLES), seed=seed,
    )  # fmt: skip
    return {"label": LABEL, "candidate": shown, "metrics": metrics, "gap": gap(metrics, out_of_time)}


def gap(metrics: Figures, out_of_time: Figures) -> str:
    """One sentence: what the random split promises, and what newer leads gave."""
    gains = [_gain(figures) for figures in (metrics, out_of_time)]
    said = [_against_base_rate(gain) for gain in gains]
    aucs = [
        figures["roc_auc"]["value"] if "roc_auc" in figures else None for figures in (metrics, out_of_time)
    ]
    if aucs[0] is not None and aucs[1] is not None:
        said = [f"ROC-AUC {auc:.3f} and {text}" for auc, text in zip(aucs, said, strict=True)]
    flatters = gains[0] > gains[1] + _NOTABLE or (
        aucs[0] is not None and aucs[1] is not None and aucs[0] > aucs[1] + _NOTABLE
    )
    end = "expect the latter" if flatters else "here time takes little away"
    return f"a random split would promise {said[0]}; newer leads gave {said[1]}: {end}"


def _against_base_rate(gain: float) -> str:
    if abs(gain) < 0.0005:
        return "the base rate's log loss"
    return f"a log loss {abs(gain):.1%} {'below' if gain > 0 else 'above'} the base rate's"


def _gain(figures: Figures) -> float:
    """Share by which the log loss is below the base rate's on the same leads."""
    base = figures["log_loss_base_rate"]["value"]
    return (base - figures["log_loss"]["value"]) / base if base > 0 else 0.0
