"""The whole loop on a synthetic firm, with nothing left out and nothing faked.

A firm's CRM export is made and imported. A first model learns from what had matured five months ago and goes live. A lead is scored over
HTTP, its reasons add up, its outcome is recorded. Then the model is retrained with everything that is mature today, judged against
the first on leads neither has learned from, and promoted or refused; a promoted one is picked up by the running service.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from data.domain import DAY, format_instant
from data.errors import LeadloopError
from data.sources.importing import import_tables
from data.store import open_store
from data.world import make_world, write_world
from leadloop import console
from leadloop.launch import start_service
from leadloop.showing import show_card, show_verdict
from training.learning.config import TrainConfig
from training.loop.retraining import retrain
from training.scorer.registry import Registry

_FIRST_MODEL_AGE = 150 * DAY
_PATIENCE_SECONDS = 60.0


class DemoError(LeadloopError):
    """A step of the demo did not do what it promises."""


def run_demo(*, home: Path, leads: int, seed: int, wait: bool) -> int:
    """Run every step; returns 0, or raises on the first step that fails. The service is stopped unless ``wait``."""
    home = home.resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    now = _now()

    _say(
        1, f"A synthetic firm: {leads:,} leads over 18 months (its true probabilities stay out of the export)"
    )
    world = make_world(leads, seed=seed, end=now)
    write_world(world, home / "export")

    _say(2, "Import its CRM export")
    store = open_store(f"sqlite:///{home / 'leadloop.db'}")
    with console.progress() as step:
        report = import_tables(store, path=home / "export", now=now, progress=step)
    console.out.print(report.text(), markup=False)

    _say(3, f"Train a first model as of {format_instant(now - _FIRST_MODEL_AGE)[:10]} and register it")
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home=home)
    config = TrainConfig()
    with console.progress() as step:
        first = retrain(store, registry, now=now - _FIRST_MODEL_AGE, config=config, seed=seed, progress=step)
    show_card(first.result.card)
    console.out.print(f"Version {first.version.number}:", end=" ")
    show_verdict(first.verdict)
    _check(first.promoted, f"the first model was not promoted: {first.verdict.why}")

    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    _say(4, f"Serve it at {address}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEADLOOP_")}
    service = start_service(home=home, port=port, environment=environment, log=home / "service.log")
    try:
        _until(
            lambda: _served_version(address) == first.version.number, "the service did not come up", service
        )

        _say(5, "Score a lead over HTTP")
        lead_id = _lively_lead(store, now)
        answer = _call(address, "/v1/score", _new_touch(lead_id, now))
        _show_answer(answer)
        gap = (
            answer["baseline_points"] + answer["fit_points"] + answer["engagement_points"] - answer["points"]
        )
        _check(abs(gap) < 1e-9, f"the reasons do not add up: they miss the score by {gap}")
        console.out.print(
            "The points add up to the score, to 1e-9. Related topics may offset each other; their sum counts."
        )

        _say(6, "Sales qualifies the lead: the outcome goes back")
        outcome = {
            "outcome_id": "demo-1",
            "lead_id": lead_id,
            "kind": "qualified",
            "occurred_at": format_instant(_now()),
        }
        said = _call(address, "/v1/outcomes", outcome)
        again = _call(address, "/v1/outcomes", outcome)
        console.out.print(f"Recorded: {json.dumps(said)}; sent twice, kept once: {json.dumps(again)}")
        _check(said["new"] == 1 and again["new"] == 0, "the outcome was not recorded exactly once")
        kinds = [o.kind for o in store.outcomes_of([lead_id])[lead_id]]
        _check("qualified" in kinds, "the outcome is not in the store")

        _say(7, "Retrain on everything that is mature today, and judge")
        with console.progress() as step:
            second = retrain(store, registry, now=now, config=config, seed=seed, progress=step)
        show_card(second.result.card)
        console.out.print(f"Version {second.version.number}:", end=" ")
        show_verdict(second.verdict)

        serving = second.version.number if second.promoted else first.version.number
        started = time.monotonic()
        _until(lambda: _served_version(address) == serving, f"version {serving} is not served", service)
        if second.promoted:
            console.out.print(
                f"The running service took version {serving} over without a restart, {time.monotonic() - started:.1f} s later."
            )
        answer = _call(address, "/v1/score", {"lead_id": lead_id})
        _check(answer["model_version"] == serving, "the score names another version")
        console.out.print(f"{lead_id} now: score {answer['score']} ({answer['grade']}), version {serving}")

        if wait:
            console.out.print(f"\n[bold]leadloop serves at {address}[/]")
            console.out.print(f"Open it in a browser; stop it with Ctrl-C. Files: {home}")
            service.wait()
        else:
            console.out.print(f"\nDone; the service is stopped. Files: {home}")
    except KeyboardInterrupt:
        console.out.print("\nStopping the service.")
    finally:
        service.terminate()
        try:
            service.wait(timeout=20)
        except subprocess.TimeoutExpired:
            service.kill()
    return 0


def _now() -> int:
    return time.time_ns() // 1_000


def _say(number: int, what: str) -> None:
    console.out.print(f"\n[bold]{number}. {what}[/]")


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DemoError(otherwise)


def _lively_lead(store: Any, now: int) -> str:
    """The youngest lead with at least 8 touchpoints and no outcome yet."""
    young = store.lead_ids(created_from=now - 30 * DAY, created_before=now - 2 * DAY)
    histories, outcomes = store.histories(young), store.outcomes_of(young)
    for lead_id in reversed(young):
        if len(histories[lead_id].touchpoints) >= 8 and not outcomes.get(lead_id):
            return lead_id
    raise DemoError("the world holds no young, lively lead; take more leads")


def _new_touch(lead_id: str, now: int) -> dict[str, Any]:
    touch = {
        "touchpoint_id": "demo-visit",
        "occurred_at": format_instant(now),
        "type": "pricing_view",
        "channel": "email",
    }
    return {"lead_id": lead_id, "touchpoints": [touch]}


def _show_answer(answer: dict[str, Any]) -> None:
    chance = "probability withheld" if answer["probability"] is None else f"{answer['probability']:.1%}"
    console.out.print(
        f"{answer['lead_id']}: score {answer['score']} ({answer['grade']}), "
        f"{chance} within {answer['horizon_days']} days, version {answer['model_version']}"
    )
    rows = [["baseline", answer["baseline_points"]], ["fit points", answer["fit_points"]]]
    rows += [["engagement points", answer["engagement_points"]], ["sum, before rounding", answer["points"]]]
    console.table(["", "points"], rows)
    reasons = [(answer[f"reason_{n}"], answer[f"reason_{n}_points"]) for n in range(1, 6)]
    console.table(["strongest reasons", "points"], [[text, points] for text, points in reasons if text])


def _call(address: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        address + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as fault:
        raise DemoError(
            f"{path} answered {fault.code}: {fault.read().decode(errors='replace')[:500]}"
        ) from None


def _served_version(address: str) -> str | None:
    try:
        with urllib.request.urlopen(address + "/v1/model", timeout=5) as response:
            return str(json.load(response)["model_version"])
    except (OSError, ValueError, KeyError):
        return None


def _until(holds: Any, otherwise: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        _check(
            service.poll() is None,
            f"{otherwise}: the service ended with code {service.returncode}; see service.log",
        )
        _check(time.monotonic() < deadline, f"{otherwise} within {_PATIENCE_SECONDS:.0f} s; see service.log")
        time.sleep(0.25)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
