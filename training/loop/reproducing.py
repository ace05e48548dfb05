"""Making a version again from what is stored, and comparing bytes.

The store only appends, and every row says when it was received. So the dataset of a version can be built again as of then, the training
run again with its settings and seed, and the files must come out the same to the last byte. Where they do not, this names what is no
longer what it was: the data (and which counts), the code, the lock, a package.

The promise is as good as the times of receipt. Rows imported without one count as received when they occurred: history imported after a
version was trained, but dated before, looks as if it had been known. Erasing a person takes rows away. Both show as changed data.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import ConfigError, NotEnoughDataError
from data.store import Store
from features.spec import FeatureSet
from training.learning.config import TrainConfig
from training.learning.dataset import build_dataset
from training.learning.run import train
from training.scorer.artifact import SCORER_FILE, TREES_FILE, load_scorer_folder
from training.scorer.provenance import RUN_FILE, provenance
from training.scorer.registry import Registry
from training.scorer.version_files import HELD_OUT, write_files

_FILES = (SCORER_FILE, TREES_FILE, f"{HELD_OUT}/{SCORER_FILE}", f"{HELD_OUT}/{TREES_FILE}")
_COUNTS = ("rows", "leads", "goals", "goal_rate", "held_out_leads", "from", "to")


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What became of making a version again.

    Attributes
    ----------
    identical : whether every file came out the same to the byte.
    why : one sentence.
    files : by name, whether it came out the same; empty when nothing could be trained.
    differences : what is no longer what it was, in words; also named when the files are identical all the same.
    """

    number: str
    identical: bool
    why: str
    files: Mapping[str, bool] = field(default_factory=dict)
    differences: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": self.number, "identical": self.identical, "why": self.why, "files": dict(self.files),
            "differences": list(self.differences),
        }  # fmt: skip


def reproduce(
    registry: Registry,
    store: Store,
    *,
    goal: str,
    version: str,
    progress: Callable[[str, int, int], None] | None = None,
) -> Reproduction:
    """Train a version (number or alias) again as of then, and compare.

    Raises
    ------
    ConfigError
        For a version that was not trained from a store: one of a flat table, or made from another version.
    """
    number = registry.number(goal, version)
    with tempfile.TemporaryDirectory() as work:
        folder = registry.fetch(goal, number, into=Path(work) / "then")
        card = json.loads((folder / "card.json").read_text())
        if not (folder / RUN_FILE).is_file():
            raise ConfigError(f"version {number} does not say where it comes from; it cannot be made again")
        then = json.loads((folder / RUN_FILE).read_text())
        if then["now"] is None:
            raise ConfigError(
                f"version {number} was trained from a flat table, which is not kept; call fit_table with the same frame, config and seed"
            )
        if made_from := (card.get("recalibration") or {}).get("of_version"):
            raise ConfigError(
                f"version {number} was made from version {made_from} without training; reproduce that one"
            )
        config = TrainConfig.from_dict(then["config"])
        own = FeatureSet.from_records(card.get("own_features", ()))
        try:
            dataset = build_dataset(
                store, goal=config.goal, horizon_days=config.horizon_days, now=int(then["now"]),
                ages_days=config.ages_days, immature=config.immature, own=own.features,
            )  # fmt: skip
            result = train(dataset, config, seed=int(then["seed"]), progress=progress)
        except NotEnoughDataError as missing:
            return Reproduction(number, False, f"the data has changed since: {missing}")
        again = Path(work) / "again"
        reference = load_scorer_folder(folder).scale.reference_log_odds
        write_files(result, again, reference_log_odds=reference)
        files = {name: same for name in _FILES if (same := _same(folder / name, again / name)) is not None}
    found = tuple(_differences(then, provenance(result.card), card, result.card))
    if all(files.values()):
        said = f"version {number} came out identical to the byte ({len(files)} files)"
        return Reproduction(
            number, True, said + (f", although {'; '.join(found)}" if found else ""), files, found
        )
    why = "; ".join(found) or (
        "data, settings, seed, code and packages are the same: another processor, or the version's files were altered"
    )
    return Reproduction(number, False, f"version {number} came out otherwise: {why}", files, found)


def _same(then: Path, now: Path) -> bool | None:
    """Whether two files hold the same bytes; None where neither exists."""
    if not then.is_file() and not now.is_file():
        return None
    return then.is_file() and now.is_file() and then.read_bytes() == now.read_bytes()


def _differences(
    then: Mapping[str, Any], now: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[str]:
    found = []
    if then["data_hash"] != now["data_hash"]:
        counts = [
            f"{name} {old['data'].get(name)} then, {new['data'].get(name)} now"
            for name in _COUNTS
            if old["data"].get(name) != new["data"].get(name)
        ]
        if old.get("features_hash") != new.get("features_hash"):
            counts.append("other features")
        found.append(
            f"the data has changed since ({', '.join(counts) or 'the same rows and goals, other values'})"
        )
    if then["code_hash"] != now["code_hash"]:
        found.append(f"the code has changed since ({_short(then)} then, {_short(now)} now)")
    if then["lock_hash"] != now["lock_hash"]:
        found.append("requirements.lock has changed since")
    for name, was in then["packages"].items():
        if was != now["packages"].get(name):
            found.append(f"{name} was {was}, is {now['packages'].get(name)}")
    return found


def _short(origin: Mapping[str, Any]) -> str:
    return f"{origin['leadloop']} {str(origin['code_hash'])[:8]}"
