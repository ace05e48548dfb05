"""Twenty minutes of load with faults: does the service ever say something wrong, or lose what it acknowledged?

A service of two workers runs on PostgreSQL with a remote MLflow registry. It gets half the requests it could answer: scores of leads it
holds and of leads that exist in the request alone, touchpoints and outcomes. Meanwhile another version is promoted every minute, workers
are killed, the registry is stopped for a minute, the store's tables are locked for ten seconds, PostgreSQL is restarted, and a version
whose trees are cut off and one with a flipped bit are made champion.

wrong
    answers whose points are not those that their version gives. A lead without a history has the same points every time, known
    beforehand per version; every other answer is worked out again afterwards from the features in the score log.
lost
    touchpoints, outcomes and scores that were acknowledged and are not in the store at the end.
mixed
    answers whose header and body name different versions, or whose version is none of the sound ones.
rss_slope_mb_per_h
    growth of the resident memory of the worker that is there from beginning to end, with its 95 % interval from the scatter of half-minute
    means, each of which follows the one before. Every lead a few times and four minutes of the same load by three times the connections,
    with a killed worker, two locks, two restarts and a promotion a minute come before: what a worker needs once for all (caches of the
    leads it meets, threads, connections, the heap of its largest crowd) is there then, and what a crowd gives back is given back 45 seconds
    later. The slope of all workers after their first two minutes, those that replace a killed one among them, is shown beside it.

Requests that were refused or cut off (503, the connections of a killed worker) are counted and shown; they are no fault.

    python -m benchmarks.soak --minutes 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from sqlalchemy import create_engine, text

from benchmarks.censoring import filled_store
from benchmarks.soak_faults import Faults, cut_off, damage, flipped, worker_processes
from benchmarks.soak_load import CONNECTIONS, INLINE, Load, Seen
from benchmarks.soak_memory import WARM_SECONDS, Memory, by_minute, slope_per_hour, trend_per_hour
from data.world import make_world
from features.matrix import Matrix
from tests.postgres import postgres
from tests.serving.running import MlflowServer, Server, until
from training.learning.config import TrainConfig
from training.learning.dataset import build_dataset
from training.learning.run import TrainingResult, train
from training.scorer.additive import Affine
from training.scorer.registry import Registry
from training.scorer.scorer import Scorer

N_LEADS = 3_000
N_GOOD = 4
N_WORKERS = 2
REHEARSAL = 4.0  # minutes
SETTLING = 45.0  # seconds; workers give freed memory back every thirty
MEETINGS = 8  # of each lead with one of the workers, before: what is kept of it is there then
# While the store is away, requests gather at the workers, as many as there are connections, and how many of them at which worker is
# chance: the largest crowd yet makes a worker larger for good. So the crowds of the rehearsal are larger than any that comes after.
CROWD = 3 * CONNECTIONS


def made_scorers() -> tuple[TrainingResult, list[Scorer]]:
    """A training on a synthetic firm, and sound scorers that differ in their calibration, so that each says other points."""
    world = make_world(N_LEADS, seed=7)
    config = TrainConfig(n_trees=60, n_bootstrap=20)
    with tempfile.TemporaryDirectory() as work:
        store = filled_store(Path(work), world, born_by=world.end, now=world.end)
        dataset = build_dataset(store, horizon_days=90, now=world.end, ages_days=config.ages_days)
        store.close()
    result = train(dataset, config, seed=0)
    scorers = []
    for n in range(N_GOOD):
        given = result.scorer.calibration
        calibration = Affine(given.slope, given.intercept + 0.1 * n)
        golden = replace(
            result.scorer.golden, margin=calibration.of(result.scorer.model.margin(result.scorer.golden.X))
        )
        scorers.append(replace(result.scorer, calibration=calibration, golden=golden))
    return result, scorers


def register(registry: Registry, result: TrainingResult, scorer: Scorer, *, now: int) -> str:
    """Register a scorer as a training's result; returns its number."""
    made = SimpleNamespace(scorer=scorer, card=result.card, evaluation=SimpleNamespace(scorer=scorer))
    return registry.register(made, now=now).number  # type: ignore[arg-type]


def expected_inline(server: Server, registry: Registry, good: tuple[str, ...]) -> dict[str, list[float]]:
    """The points of the leads without a history, by version: from the features that the service logs for them."""
    scorers = {number: registry.load("qualified", number) for number in good}
    # The server is ready when one of its workers is; the others may still be loading their model.
    until(
        lambda: all(server.post("/v1/score", INLINE[0]).status_code == 200 for _ in range(20)),
        "a worker does not score",
    )
    bodies = [server.post("/v1/score", body).json() for body in INLINE]
    rows = features_of(server.environment["LEADLOOP_STORE"], [body["score_id"] for body in bodies])
    X = np.array([rows[body["score_id"]] for body in bodies])
    return {number: _points(scorer, X).tolist() for number, scorer in scorers.items()}


def features_of(url: str, score_ids: list[str]) -> dict[str, np.ndarray]:
    """The logged features of these scores; those that are not logged are missing."""
    engine = create_engine(url)
    found = {}
    with engine.connect() as connection:
        for start in range(0, len(score_ids), 2_000):
            rows = connection.execute(
                text("SELECT score_id, features FROM scores WHERE score_id = ANY(:ids)"),
                {"ids": score_ids[start : start + 2_000]},
            )
            found |= {score_id: np.frombuffer(features) for score_id, features in rows}
    engine.dispose()
    return found


def _points(scorer: Scorer, X: np.ndarray) -> np.ndarray:
    return scorer.score_matrix(Matrix(scorer.features.names, X, scorer.levels)).points


def recomputed(seen: Seen, url: str, registry: Registry) -> tuple[int, int]:
    """Scores whose logged features do not give their points, and scores that are not in the log."""
    rows = features_of(url, list(seen.scores))
    wrong = 0
    for version in {version for version, _ in seen.scores.values()}:
        ids = [i for i, (by, _) in seen.scores.items() if by == version and i in rows]
        scorer = registry.load("qualified", version)
        for start in range(0, len(ids), 10_000):
            part = ids[start : start + 10_000]
            points = _points(scorer, np.array([rows[i] for i in part]))
            wrong += int((points != np.array([seen.scores[i][1] for i in part])).sum())
    return wrong, len(seen.scores) - len(rows)


def missing(url: str, table: str, column: str, ids: list[str]) -> int:
    """How many of these ids are not in the table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        held = set(connection.execute(text(f"SELECT {column} FROM {table}")).scalars())
    engine.dispose()
    return len(set(ids) - held)


def soak(minutes: float, *, minute: float) -> dict[str, float]:
    """Run it; prints what happened and returns the figures."""
    result, scorers = made_scorers()
    now = time.time_ns() // 1_000
    with (
        tempfile.TemporaryDirectory(prefix="leadloop-soak-") as folder,
        postgres(is_durable=True) as database,
    ):
        home = Path(folder)
        mlflow = MlflowServer(home / "mlflow")
        mlflow.start()
        registry = Registry(mlflow.url, home=home)
        good = tuple(register(registry, result, scorer, now=now) for scorer in scorers)
        bad = []
        for change in (cut_off, flipped):
            bad.append(register(registry, result, scorers[0], now=now))
            damage(home / "mlflow" / "files", "trees.txt", change)
        registry.promote("qualified", good[0])
        lead_ids = _filled(database.url)
        server = Server(
            home, n_workers=N_WORKERS, LEADLOOP_STORE=database.url, LEADLOOP_REGISTRY=mlflow.url, LEADLOOP_POLL_SECONDS="1"
        )  # fmt: skip
        stop = threading.Event()
        try:
            server.wait_until_ready()
            inline = expected_inline(server, registry, good)
            seen = Seen()
            load = Load(server.url, seen, lead_ids=lead_ids, good=good, inline=inline)
            fastest = asyncio.run(load.fastest(15.0))
            print(f"answers {fastest:.0f} requests a second; asked half of that for {minutes:.0f} minutes")
            faults = Faults(server, database, mlflow, registry, good, (bad[0], bad[1]), minute)
            print("rehearsal", flush=True)
            asyncio.run(load.meet(MEETINGS))
            rehearsed = {worker.pid for worker in worker_processes(server)}
            under(load, fastest / 2, REHEARSAL * minute, faults, faults.rehearsal(), stop, connections=CROWD)
            asyncio.run(load.run(fastest / 2, SETTLING * minute / 60))
            memory = Memory(server, stop)
            memory.start()
            under(load, fastest / 2, minutes * minute, faults, faults.plan(minutes), stop)
            stop.set()
            memory.join(timeout=10)
            refused = server.log.read_text().count(" is refused, ")
        finally:
            stop.set()
            server.stop()
        wrong, unlogged = recomputed(seen, database.url, registry)
        lost = {
            "scores": unlogged,
            "touchpoints": missing(database.url, "touchpoints", "touchpoint_id", seen.touchpoints),
            "outcomes": missing(database.url, "outcomes", "outcome_id", seen.outcomes),
        }
        mlflow.stop()
    whole = [row for row in memory.rows if row[0] in rehearsed]
    slope, half = trend_per_hour(whole)
    plain, half_plain = slope_per_hour(whole, warm=0)
    of_all, half_of_all = slope_per_hour(memory.rows, warm=WARM_SECONDS * minute / 60)
    latency = np.quantile(seen.latency, [0.5, 0.99]) * 1_000
    print(f"answers: {dict(seen.statuses)}, not asked because 2,000 waited: {seen.skipped}")
    print(f"p50 {latency[0]:.1f} ms, p99 {latency[1]:.1f} ms")
    print(f"checked again: {len(seen.scores):,} scores; acknowledged and looked for: {len(seen.touchpoints):,} touchpoints, "
          f"{len(seen.outcomes):,} outcomes; lost {lost}")  # fmt: skip
    print(f"damaged versions refused {refused} times (two versions, {N_WORKERS} workers)")
    print(
        f"resident memory: {slope:+.1f} MB an hour, 95 % interval {slope - half:+.1f} to {slope + half:+.1f}; "
        f"taken for independent, half-minutes give {plain:+.1f}, {plain - half_plain:+.1f} to {plain + half_plain:+.1f}, "
        f"with the workers that replace others {of_all:+.1f}, {of_all - half_of_all:+.1f} to {of_all + half_of_all:+.1f}"
    )
    print("the same worker, MB minute by minute: " + " ".join(f"{mb:.1f}" for mb in by_minute(whole)))
    for complaint in (*seen.wrong[:5], *seen.mixed[:5]):
        print(f"  {complaint}")
    if undone := [said for _, said in faults.done if " failed: " in said]:
        raise RuntimeError(f"{len(undone)} faults could not be made: {undone[0]}")
    return {
        "wrong": len(seen.wrong) + wrong,
        "lost": sum(lost.values()),
        "mixed": len(seen.mixed),
        "rss_slope_mb_per_h": round(slope, 2),
        "rss_slope_low": round(slope - half, 2),
        "rss_slope_high": round(slope + half, 2),
    }


def under(
    load: Load,
    rate: float,
    seconds: float,
    faults: Faults,
    plan: list,
    stop: threading.Event,
    *,
    connections: int = CONNECTIONS,
) -> None:
    """So long a load, and a plan of faults beside it."""
    acting = threading.Thread(target=faults.run, args=(plan, stop), daemon=True)
    acting.start()
    asyncio.run(load.run(rate, seconds, connections=connections))
    acting.join(timeout=120)


def _filled(url: str) -> list[str]:
    """Leads with histories in the store; returns their ids."""
    world = make_world(N_LEADS, seed=7)
    with tempfile.TemporaryDirectory() as work:
        store = filled_store(Path(work), world, born_by=world.end, now=world.end, url=url)
        store.close()
    return world.leads["lead_id"].tolist()


def main() -> int:
    """Print what happened and the last line; exit code 1 when something was wrong, lost or mixed."""
    parser = argparse.ArgumentParser(description="load with faults")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--minute-seconds", type=float, default=60.0, help="a minute of the plan, for trials")
    chosen = parser.parse_args()
    figures = soak(chosen.minutes, minute=chosen.minute_seconds)
    print(json.dumps(figures))
    return int(bool(figures["wrong"] or figures["lost"] or figures["mixed"]))


if __name__ == "__main__":
    sys.exit(main())
