"""The same bits whatever vector instructions the processor has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core import _multiarray_umath as built  # type: ignore[attr-defined]

_ROOT = Path(__file__).parents[2]
_SCRIPT = """
import hashlib, numpy as np
from data.domain import DAY
from data.snapshots import snapshots_of
from features.catalog import default_features
from features.matrix import build_matrix
from tests.features.histories import NOON, lead, touchpoint
from tests.features.test_executor import EVERYTHING
rng = np.random.default_rng(0)
rows = [
    (lead(*(touchpoint(NOON - int(a), touchpoint_id=str(i), value=float(v), type="email_click", direction="inbound")
            for i, (a, v) in enumerate(zip(rng.integers(0, 90 * DAY, 60), rng.lognormal(0, 9, 60)))), title="CEO"), NOON)
    for _ in range(40)
]
snapshots = snapshots_of(rows)
digest = hashlib.sha256()
for features in (default_features(), EVERYTHING):
    digest.update(build_matrix(snapshots, features).X.tobytes())
print(digest.hexdigest())
"""


def test_vector_instructions_do_not_show_in_the_bits():
    """np.exp differed between AVX-512 and AVX2."""
    available = [name for name in built.__cpu_dispatch__ if built.__cpu_features__.get(name)]
    if not available:
        pytest.skip("this processor has none of the instruction sets numpy chooses from")
    hashes = set()
    for disabled in ("", *(" ".join(available[i:]) for i in range(len(available)))):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled}
        if not disabled:
            del environment["NPY_DISABLE_CPU_FEATURES"]
        run = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            env=environment,
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        hashes.add(run.stdout.strip())
    assert len(hashes) == 1
