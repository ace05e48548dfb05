"""Point-in-time features: leadloop beside DuckDB, Polars, pandas, Featuretools and the physical limit.

``make bench-features`` runs everything; ``python -m benchmarks.features --sizes 1 5 --only duckdb polars`` runs parts. Every executor has
a process of its own, twice; the better CPU time counts. All read the Parquet files of one invented log, as ``leadloop snapshot`` writes
them. The last line is one JSON object. Exit code 1: some values disagree.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.feature_checks import bitwise_differences, disagreements
from benchmarks.feature_engines import cpu_seconds
from benchmarks.feature_log import InventedLog, write_rows
from benchmarks.feature_online import CASES
from benchmarks.feature_set import shared_features
from data.buckets.build import build_buckets
from features.executor import touchpoint_values
from features.spark import arrow_snapshots

_ROOT = Path(__file__).parents[1]
_MILLION = 1_000_000
_BATCH = ("leadloop", "limit", "duckdb", "polars", "pandas")
_ALL = (*_BATCH, "spark", "online", "featuretools", "bitwise")
_FEW_LEADS = 300
_MOST_PANDAS = 20  # millions of touchpoints; it takes 0.3 GB for each


def main() -> int:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[1, 5, 20, 50], help="millions of touchpoints"
    )
    parser.add_argument("--only", nargs="*", default=list(_ALL), choices=_ALL)
    parser.add_argument(
        "--rivals", default=str(_ROOT / ".venv-bench/bin/python"), help="Python with the other tools"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("/tmp/bench-features"),
        help="folder for the logs, deleted afterwards",
    )
    parser.add_argument("--repeats", type=int, default=2)
    chosen = parser.parse_args()
    figures: dict[str, Any] = {}
    bad: dict[str, Any] = {}
    for millions in chosen.sizes:
        folder = chosen.work / f"{millions}m"
        try:
            _make(folder, millions)
            _batch(folder, millions, chosen, figures, bad)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if "online" in chosen.only:
        _online(chosen, figures)
    print(json.dumps(_summary(figures)))
    for name, found in bad.items():
        print(f"{name} disagrees: {found}", file=sys.stderr)
    return int(bool(bad))


def _make(folder: Path, millions: int) -> None:
    log = InventedLog(millions * _MILLION)
    wall, cpu = time.perf_counter(), cpu_seconds()
    built = build_buckets(log, folder, processes=len(os.sched_getaffinity(0)))
    write_rows(log, folder / "rows.parquet")
    print(f"\n{millions}M touchpoints, {log.n_leads:,} leads in {built.manifest.n_buckets} buckets "
          f"(made in {time.perf_counter() - wall:.0f} s, {cpu_seconds() - cpu:.0f} CPU s)", flush=True)  # fmt: skip
    print(f"{'':14}{'wall s':>10}{'CPU s':>10}{'peak GB':>10}{'CPU us per touchpoint':>24}")


def _batch(
    folder: Path, millions: int, chosen: argparse.Namespace, figures: dict[str, Any], bad: dict[str, Any]
) -> None:
    names = [name for name in _BATCH if name in chosen.only]
    if millions > _MOST_PANDAS and "pandas" in names:
        names.remove("pandas")
    if "spark" in chosen.only and millions == 5:
        names.append("spark")
    results = {name: folder / f"{name}.parquet" for name in names}
    # Runs alternate, so that a busy minute of the machine falls on all of them.
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(chosen.repeats):
        for name in names:
            if name == "spark":
                _levels(folder, results["leadloop"])
            runs[name].append(
                _measured(_python(name, chosen), "feature_engines", name, str(folder), str(results[name]))
            )
    for name, own in runs.items():
        best = min(own, key=lambda run: run["cpu"])
        figures[f"{name} {millions}"] = best
        print(
            f"{name:14}{best['wall']:10.2f}{best['cpu']:10.2f}{best['peak_gb']:10.2f}{best['cpu'] / millions:24.3f}",
            flush=True,
        )
        if name not in ("leadloop", "limit") and "leadloop" in results:
            found = disagreements(results["leadloop"], results[name])
            if found:
                bad[f"{name} at {millions}M"] = found
    if millions == 5 and "bitwise" in chosen.only and "leadloop" in results:
        found = bitwise_differences(folder, results["leadloop"], results.get("spark"))
        figures["bitwise"] = found
        print(f"bitwise differences to the batch in memory: {found}", flush=True)
    if millions == min(chosen.sizes) and "featuretools" in chosen.only:
        _featuretools(folder, chosen, figures)


def _levels(folder: Path, result: Path) -> None:
    (folder / "levels.json").write_bytes(pq.read_schema(result).metadata[b"levels"])


def _python(name: str, chosen: argparse.Namespace) -> str:
    return sys.executable if name in ("leadloop", "limit") else chosen.rivals


def _measured(python: str, module: str, *words: str) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}
    command = [python, "-m", f"benchmarks.{module}", *words]
    done = subprocess.run(command, env=environment, cwd=_ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3_000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _featuretools(folder: Path, chosen: argparse.Namespace, figures: dict[str, Any]) -> None:
    rows = pq.read_table(folder / "rows.parquet").slice(0, _FEW_LEADS)
    pieces = [
        table.filter(pc.is_in(table["lead_id"], value_set=rows["lead_id"].combine_chunks()))
        for path in sorted((folder / "touchpoints").glob("*/*.parquet"))
        for table in [pq.read_table(path, partitioning=None)]
    ]
    log = pa.concat_tables(pieces)
    pq.write_table(rows, folder / "few-rows.parquet")
    pq.write_table(log, folder / "few-touchpoints.parquet")
    theirs = _measured(chosen.rivals, "feature_featuretools", str(folder))
    features = shared_features()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        touchpoint_values(arrow_snapshots(rows, log), features)
        times.append(time.perf_counter() - started)
    ours = min(times)
    figures["featuretools"] = theirs["seconds"] / ours
    print(
        f"Featuretools: {theirs['features']} features of {len(rows)} leads with {len(log):,} touchpoints in {theirs['seconds']:.1f} s, "
        f"{1_000 * theirs['seconds'] / len(rows):.1f} ms a lead "
        f"(extrapolated, not measured: {theirs['seconds'] / len(rows) * 1e5 / 3600:.1f} h "
        f"for 100,000 leads); leadloop: {len(features)} features of the same leads in {1_000 * ours:.1f} ms"
    )  # fmt: skip


def _online(chosen: argparse.Namespace, figures: dict[str, Any]) -> None:
    names = [("leadloop", 1_000), ("duckdb", 100), ("polars", 300)]
    found = {n: _measured(_python(n, chosen), "feature_online", n, str(calls)) for n, calls in names}
    print("\nonline, ms p50 / p99 (p10), from an inline request to its matrix")
    print(f"{'leads x touchpoints':22}" + "".join(f"{name:>28}" for name in found))
    for n_leads, n_touchpoints in CASES:
        case = f"{n_leads} x {n_touchpoints}"
        cells = (f"{a:.2f} / {b:.2f} ({c:.2f})" for a, b, c in (own[case] for own in found.values()))
        print(f"{case:22}" + "".join(f"{cell:>28}" for cell in cells))
    figures["online"] = found


def _summary(figures: dict[str, Any]) -> dict[str, Any]:
    def ratio(one: str, other: str) -> float | None:
        if one in figures and other in figures:
            return round(float(figures[one]["cpu"] / figures[other]["cpu"]), 3)
        return None

    online: dict[str, Sequence[float]] = {k: v["1 x 20"] for k, v in figures.get("online", {}).items()}
    return {
        "cpu_vs_duckdb": ratio("leadloop 5", "duckdb 5"),
        "cpu_vs_limit": ratio("leadloop 5", "limit 5"),
        "peak_gb_50m": figures.get("leadloop 50", {}).get("peak_gb"),
        "online_20_ms": online["leadloop"][0] if online else None,
        "online_vs_duckdb": round(online["duckdb"][0] / online["leadloop"][0], 1) if online else None,
        "vs_featuretools": round(figures["featuretools"]) if "featuretools" in figures else None,
        "bitwise_differences": sum(figures["bitwise"].values()) if "bitwise" in figures else None,
    }


if __name__ == "__main__":
    sys.exit(main())
