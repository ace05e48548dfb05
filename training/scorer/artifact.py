"""A scorer as files: scorer.json, trees.txt, SHA256SUMS.

Text only; nothing in it can run. Checksums are compared before a byte is parsed, because a damaged LightGBM text can abort the process or
hang it. After parsing, invented golden rows must score to the very bits they had when the scorer was made. The same scorer always gives the
same bytes: sorted keys, shortest exact floats, no clock, no run id.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import DamagedScorerError, LeadloopError, OtherDefinitionsError
from features.matrix import Matrix
from features.meaning import check_meanings, meanings
from features.spec import FeatureSet
from training.scorer.additive import Additive, Affine, explained
from training.scorer.intervals import Intervals
from training.scorer.policy import Grades
from training.scorer.scale import Scale
from training.scorer.scorecard import Scorecard, row_sums
from training.scorer.scorer import Golden, Scorer
from training.scorer.trees import Trees

FORMAT = 2
SCORER_FILE, TREES_FILE, SUMS_FILE = "scorer.json", "trees.txt", "SHA256SUMS"
_SUMMED = (SCORER_FILE, TREES_FILE)
_LARGEST_BYTES = 512 * 1024 * 1024
# What rounding may leave between the baselines of two rows, in log-odds.
_SAME_BASELINE = 1e-6


def save_scorer(scorer: Scorer, folder: str | Path) -> Path:
    """Write the scorer's files into ``folder`` (made if absent) and return it. ``trees.txt`` is empty for a model without trees.

    The sums are written last: a folder that lost power half-way is recognised as damaged.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMS_FILE).unlink(missing_ok=True)
    trees = scorer.model.trees
    contents = {
        SCORER_FILE: (
            json.dumps(_to_record(scorer), sort_keys=True, indent=1, allow_nan=False) + "\n"
        ).encode(),
        TREES_FILE: trees.text.encode() if trees is not None else b"",
    }
    for name in _SUMMED:
        _write(folder / name, contents[name])
    sums = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in _SUMMED)
    _write(folder / SUMS_FILE, sums.encode())
    return folder


def load_scorer_folder(folder: str | Path, *, version: str | None = None) -> Scorer:
    """The scorer in ``folder``.

    Raises
    ------
    DamagedScorerError
        A file is missing, was altered, or the scorer answers otherwise than when it was made. Nothing is parsed before the sums agree.
    OtherDefinitionsError
        The files are sound, but this code computes other features than those the scorer was trained on.
    """
    folder = Path(folder)
    contents = _read_checked(folder)
    try:
        record = json.loads(contents[SCORER_FILE].decode())
        if record["format"] != FORMAT:
            raise DamagedScorerError(
                f"{folder / SCORER_FILE} has format {record['format']!r}, this leadloop reads {FORMAT}; use the leadloop that made it"
            )
        scorer = _from_record(record, contents[TREES_FILE].decode(), version)
    except DamagedScorerError:
        raise
    except (
        LeadloopError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        RecursionError,
    ) as error:
        raise DamagedScorerError(
            f"{folder / SCORER_FILE} is not a scorer: {type(error).__name__}: {error}"
        ) from error
    check_golden(scorer)
    return scorer


def check_golden(scorer: Scorer) -> None:
    """Raises DamagedScorerError when a golden row no longer scores to the same bits, or is not divided among the features in full.

    What every lead starts from is one number, so what the shares leave of the margin must be the same for all rows.
    """
    golden = scorer.golden
    matrix = Matrix(scorer.features.names, golden.X, dict(scorer.levels))
    _check_bits(scorer.margin(matrix), golden.margin)
    margin, C = explained(scorer.model, scorer.calibration, golden.X)
    _check_bits(margin, golden.margin)
    baseline = margin - row_sums(C)
    if len(baseline) and not np.ptp(baseline) < _SAME_BASELINE:
        raise DamagedScorerError(
            f"the shares of the features leave between {baseline.min():.9g} and {baseline.max():.9g} log-odds of the golden rows' margins, "
            "which must be one number; fetch the version again or retrain"
        )


def _check_bits(found: np.ndarray, wanted: np.ndarray) -> None:
    if found.shape != wanted.shape:
        raise DamagedScorerError(f"{len(found)} golden rows and {len(wanted)} margins for them")
    wrong = int((found.view(np.int64) != wanted.view(np.int64)).sum())
    if wrong:
        raise DamagedScorerError(
            f"{wrong} of {len(found)} golden rows score otherwise than when the scorer was made "
            f"(largest difference {np.abs(found - wanted).max():.3g} in log-odds); fetch the version again or retrain"
        )


def scorer_hash(folder: str | Path) -> str:
    """Sha-256 of SHA256SUMS: one name for the whole content."""
    return hashlib.sha256((Path(folder) / SUMS_FILE).read_bytes()).hexdigest()


def _read_checked(folder: Path) -> dict[str, bytes]:
    contents = {}
    for name in (SUMS_FILE, *_SUMMED):
        path = folder / name
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                raise DamagedScorerError(f"{path} has {path.stat().st_size} bytes; no scorer is that large")
            contents[name] = path.read_bytes()
        except OSError as error:
            raise DamagedScorerError(
                f"cannot read {path}: {error.strerror or error}; fetch the version again"
            ) from error
    expected = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in _SUMMED).encode()
    if contents[SUMS_FILE] != expected:
        raise DamagedScorerError(
            f"the files in {folder} do not agree with {SUMS_FILE}: they are incomplete or were altered; fetch the version again"
        )
    return contents


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _to_record(scorer: Scorer) -> dict[str, Any]:
    model = scorer.model
    return {
        "format": FORMAT,
        "goal": scorer.goal,
        "horizon_days": scorer.horizon_days,
        "features": scorer.features.to_records(),
        "features_hash": scorer.features.hash,
        "meanings": meanings(scorer.features),
        "levels": {name: list(levels) for name, levels in scorer.levels.items()},
        "model": {
            "base": model.base,
            "scorecard": None if model.scorecard is None else model.scorecard.to_record(),
            "trees": None if model.trees is None else {"fill": _numbers(model.trees.fill)},
            "weight_scorecard": model.weight_scorecard,
            "weight_trees": model.weight_trees,
        },
        "calibration": {"slope": scorer.calibration.slope, "intercept": scorer.calibration.intercept},
        "reference_log_odds": scorer.scale.reference_log_odds,
        "grades": scorer.grades.thresholds,
        "golden": {
            "rows": [_numbers(row) for row in scorer.golden.X],
            "margins": [m.hex() for m in scorer.golden.margin.tolist()],
        },
        "about": dict(scorer.about),
        "intervals": None if scorer.intervals is None else scorer.intervals.to_record(),
        "probability_withheld": scorer.probability_withheld,
    }


def _from_record(record: dict[str, Any], trees_text: str, version: str | None) -> Scorer:
    # Before they are parsed: an aggregation this code has never heard of is no damage. Early scorers named no meanings, all were 1.
    meant = {str(agg): int(number) for agg, number in record.get("meanings", {}).items()}
    check_meanings(meant)
    features = FeatureSet.from_records(record["features"])
    if features.hash != record["features_hash"]:
        raise OtherDefinitionsError(
            "the feature definitions do not have the hash the scorer names: they were altered, or this leadloop reads them otherwise than "
            "the one that trained it; use that one, or train it anew"
        )
    check_meanings({f.agg: meant.get(f.agg, 1) for f in features})
    levels = {name: tuple(map(str, own)) for name, own in record["levels"].items()}
    if set(levels) != {f.name for f in features if f.is_category}:
        raise DamagedScorerError("the level tables are not those of the scorer's categories")
    parts = record["model"]
    trees = None
    if parts["trees"] is not None:
        trees = Trees(trees_text, names=features.names, fill=_floats(parts["trees"]["fill"]))
    scorecard = None if parts["scorecard"] is None else Scorecard.from_record(parts["scorecard"])
    if scorecard is not None and len(scorecard.terms) != len(features):
        raise DamagedScorerError(f"{len(scorecard.terms)} terms for {len(features)} features")
    model = Additive(
        n_features=len(features),
        base=float(parts["base"]),
        scorecard=scorecard,
        trees=trees,
        weight_scorecard=float(parts["weight_scorecard"]),
        weight_trees=float(parts["weight_trees"]),
    )
    rows = record["golden"]["rows"]
    return Scorer(
        goal=str(record["goal"]),
        horizon_days=record["horizon_days"],
        features=features,
        levels=levels,
        model=model,
        calibration=Affine(float(record["calibration"]["slope"]), float(record["calibration"]["intercept"])),
        scale=Scale(float(record["reference_log_odds"])),
        grades=Grades(record["grades"]["A"], record["grades"]["B"], record["grades"]["C"]),
        golden=Golden(
            np.array([_floats(row) for row in rows], dtype=np.float64).reshape(len(rows), len(features)),
            np.array([float.fromhex(m) for m in record["golden"]["margins"]], dtype=np.float64),
        ),
        about=record["about"],
        version=version,
        intervals=None if record["intervals"] is None else Intervals.from_record(record["intervals"]),
        probability_withheld=_bool(record["probability_withheld"]),
    )


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise DamagedScorerError(f"expected true or false, found {str(value)[:40]!r}")
    return value


def _numbers(values: np.ndarray) -> list[float | None]:
    """JSON has no NaN: null stands for it."""
    return [None if math.isnan(v) else v for v in values.tolist()]


def _floats(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
