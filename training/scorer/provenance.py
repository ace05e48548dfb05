"""Where a version comes from: the code, the lock of its packages, the dataset, the settings and the seed.

Kept beside the scorer's files as ``run.json``, never inside them: the same data, config and seed give the same scorer on any machine,
and this file is for asking why they once did not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"
_ROOT = Path(__file__).resolve().parents[2]
# What training passes through; the rest of the lock may change without a trace in a scorer.
_CODE = ("data", "features", "training")
_PACKAGES = ("numpy", "pandas", "lightgbm", "scikit-learn", "scipy", "pyarrow")


def provenance(card: Mapping[str, Any], *, root: Path = _ROOT) -> dict[str, Any]:
    """Plain values for JSON: ``code_hash`` over the sources, ``lock_hash`` of requirements.lock (None without one), ``packages`` by
    version, and from the card ``data_hash``, ``now`` (None for a flat table), ``ages_days``, ``config`` and ``seed``."""
    config = dict(card.get("config") or {})
    return {
        "leadloop": _version("leadloop"),
        "code_hash": code_hash(root),
        "lock_hash": lock_hash(root),
        "packages": {name: _version(name) for name in _PACKAGES},
        "data_hash": card.get("data_hash"),
        "now": (card.get("data") or {}).get("now"),
        "ages_days": config.get("ages_days"),
        "config": config,
        "seed": card.get("seed"),
    }


def family_of(card: Mapping[str, Any]) -> str:
    """The name of a version's family: versions of one definition of the label, which alone may be compared."""
    meaning = (card.get("definition") or {}).get("hash")
    return f"{card.get('goal')} within {card.get('horizon_days')} days" + (f" ({meaning})" if meaning else "")


def code_hash(root: Path = _ROOT) -> str:
    """Sha-256 over the sources that training passes through, by path."""
    digest = hashlib.sha256()
    for package in _CODE:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def lock_hash(root: Path = _ROOT) -> str | None:
    """Sha-256 of requirements.lock; None where there is none, as in an installed copy."""
    path = root / "requirements.lock"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def run_params(card: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, str]:
    """What MLflow shows as the parameters of a run."""
    shown = {**(card.get("config") or {})}
    shown |= {
        name: origin[name] for name in ("seed", "data_hash", "now", "code_hash", "lock_hash", "leadloop")
    }
    return {key: str(value)[:500] for key, value in shown.items()}


def run_metrics(card: Mapping[str, Any]) -> dict[str, float]:
    """What MLflow shows as the metrics of a run: the out-of-time figures."""
    found = {}
    for name, value in card.get("out_of_time", {}).items():
        number = value.get("value") if isinstance(value, Mapping) else value
        if isinstance(number, int | float) and not isinstance(number, bool) and number == number:
            found[name] = float(number)
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
