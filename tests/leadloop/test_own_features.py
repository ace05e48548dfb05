"""A feature of one's own, written in a notebook, is everywhere with no other change: reasons, importances, listing, service, next model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

import leadloop as ll
from data.domain import DAY, HOUR, Lead, Touchpoint, format_instant
from data.errors import ConfigError
from data.store import Store, open_store
from leadloop.features import Count, Recency
from serving.app import build_app
from serving.live import LiveScorer
from serving.parts import Parts
from serving.writer import Writer
from tests.leadloop.test_command import Shell
from tests.training.examples import QUICK
from tests.training.test_dataset import END
from tests.training.test_dataset import store as world_store
from training.loop.reproducing import reproduce
from training.loop.retraining import retrain

CONFIG = replace(QUICK, candidates=("scorecard",))
CALCULATOR = Count(
    "n_calculator_runs_30d", where={"type": "price_calculator"}, window_days=30, says="Price calculator runs in 30 days"
)  # fmt: skip
SENTENCE = "Price calculator runs in 30 days: 2"


def stocked(url: str) -> Store:
    """The synthetic firm, whose better leads also used a price calculator of which the catalog knows nothing."""
    held, made = world_store(), open_store(url)
    rng = np.random.default_rng(2)
    ids = held.lead_ids()
    histories, outcomes = held.histories(ids), held.outcomes_of(ids)

    created = [Lead(i, histories[i].created_at, received_at=histories[i].created_at) for i in ids]
    made.add_leads(created, now=END)
    touched: list[Touchpoint] = [t for i in ids for t in histories[i].touchpoints]
    made.add_outcomes([o for i in ids for o in outcomes.get(i, ())], now=END)
    for lead_id in ids:
        is_good = any(o.kind in ("qualified", "won") for o in outcomes.get(lead_id, ()))
        if rng.random() < (0.7 if is_good else 0.2):
            touched += [
                Touchpoint(f"calc {lead_id} {k}", lead_id, histories[lead_id].created_at - k * HOUR, "price_calculator")
                for k in range(2)
            ]  # fmt: skip
    made.add_touchpoints(touched, now=END)
    return made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def made(home: Path) -> Iterator[SimpleNamespace]:
    """What somebody does in a notebook."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [n for n in os.environ if n.startswith("LEADLOOP_")]:
            environment.delenv(name)
        environment.setenv("LEADLOOP_HOME", str(home))
        store = stocked(f"sqlite:///{home / 'leadloop.db'}")
        dataset = ll.build_dataset(store, now=END, features=[CALCULATOR])
        result = ll.train(dataset, CONFIG)
        version = ll.register(result)
        ll.promote(version, accept_leaks=True)
        yield SimpleNamespace(
            store=store, dataset=dataset, result=result, version=version, registry=ll.open_registry()
        )


def test_it_is_a_column_of_the_dataset_and_in_its_hash(made):
    assert CALCULATOR.name in made.dataset.features.names
    plain = ll.build_dataset(made.store, now=END)
    assert plain.features.hash != made.dataset.features.hash
    assert plain.data_hash != made.dataset.data_hash
    other = ll.build_dataset(made.store, now=END, features=replace(CALCULATOR, says="Calculator: {value}"))
    assert other.features.hash != made.dataset.features.hash
    assert not made.dataset.notes


def test_its_worth_is_in_the_importances(made):
    rows = made.result.card["importances"]["features"]
    (row,) = [r for r in rows if r["feature"] == CALCULATOR.name]
    assert row == max(rows, key=lambda r: r["mean_abs_points"]), "by far the best feature of this firm"
    assert made.result.card["own_features"][0]["name"] == CALCULATOR.name


def test_its_sentence_is_a_reason(made):
    scorer = ll.load_scorer("champion")
    assert scorer.features[CALCULATOR.name] == CALCULATOR
    keen = made.dataset.snapshots.take(
        np.flatnonzero(made.dataset.X[:, made.dataset.features.names.index(CALCULATOR.name)] == 2)[:1]
    )
    frame = scorer.explain(keen)
    (row,) = frame[frame["feature"] == CALCULATOR.name].to_dict("records")
    assert (row["sentence"], row["topic"], row["group"]) == (SENTENCE, "calculator runs", "engagement")
    assert row["points"] > 1
    reasons = scorer.reasons(scorer.matrix(keen))[0].reasons
    assert SENTENCE in [r.sentence for r in reasons]


def test_the_listing_shows_it(made, home, capsys, monkeypatch):
    listing = Shell(home, capsys, monkeypatch).json("features", "--version", "champion")
    (row,) = [r for r in listing["features"] if r["own"]]
    assert row == {
        "feature": CALCULATOR.name, "group": "engagement", "topic": "calculator runs", "direction": "", "own": True,
        "formula": "count where type in price_calculator in 30 days", "says": CALCULATOR.says,
    }  # fmt: skip
    assert listing["hash"] == made.dataset.features.hash


def test_the_service_scores_with_it(made, home, tmp_path):
    live = LiveScorer(
        made.registry, goal="qualified", folder=home / "live", poll_seconds=9, trial=lambda _: None
    )
    live.look()
    store = open_store(f"sqlite:///{tmp_path}/served.db")
    now = END + DAY
    writer = Writer(store, clock=lambda: now)
    writer.start()
    app = build_app(Parts(store=store, writer=writer, live=live, clock=lambda: now))

    async def score(*types: str) -> dict:
        touchpoints = [
            {
                "touchpoint_id": f"{kind} {i}",
                "type": kind,
                "occurred_at": format_instant(now - (i + 1) * HOUR),
            }
            for i, kind in enumerate(types)
        ]
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://service"
        ) as client:
            body = {"lead_id": f"of {types[0]}", "title": "CEO", "touchpoints": touchpoints}
            return (await client.post("/v1/score", json=body)).json()

    try:
        without = asyncio.run(score("page_view", "page_view"))
        answer = asyncio.run(score("price_calculator", "price_calculator"))
    finally:
        writer.stop()
        store.close()
    assert answer["model_version"] == made.version.number
    assert SENTENCE in [answer[f"reason_{n}"] for n in range(1, 6)]
    assert answer["score"] > without["score"]


def test_the_next_model_keeps_it_and_may_be_told_otherwise(made):
    kept = retrain(made.store, made.registry, now=END + DAY, config=CONFIG)
    assert CALCULATOR in kept.result.scorer.features.features
    dropped = retrain(made.store, made.registry, now=END + DAY, config=CONFIG, own=())
    assert CALCULATOR not in dropped.result.scorer.features.features


def test_the_version_is_reproduced_with_it(made):
    again = reproduce(made.registry, made.store, goal="qualified", version=made.version.number)
    assert again.identical, again.why


def test_a_file_says_the_same_on_the_command_line(made, home, tmp_path, capsys, monkeypatch):
    run = Shell(home, capsys, monkeypatch)
    file, config = tmp_path / "my.toml", tmp_path / "train.toml"
    file.write_text(
        '[[feature]]\nagg = "count"\nname = "n_calculator_runs_30d"\nwindow_days = 30\n'
        'where = { type = "price_calculator" }\nsays = "Price calculator runs in 30 days"\n'
    )
    config.write_text('[train]\nn_trees = 20\nn_folds = 2\nn_bootstrap = 20\ncandidates = ["scorecard"]\n')
    shown = run.json("features", "--features", str(file))
    assert [r["feature"] for r in shown["features"] if r["own"]] == [CALCULATOR.name]
    trained = run.json(
        "train", "--config", str(config), "--features", str(file), "--now", format_instant(END)
    )
    assert trained["card"]["features_hash"] == made.result.card["features_hash"]


def test_a_misspelt_condition_is_noted_and_a_misspelt_word_refused(made, home, tmp_path, capsys, monkeypatch):
    wrong = Recency("hours_since_last_run", where={"type": "price_calculater"})
    assert (
        "did you mean 'price_calculator'" in ll.build_dataset(made.store, now=END, features=[wrong]).notes[0]
    )
    with pytest.raises(ConfigError, match="n_touches"):
        ll.build_dataset(made.store, now=END, features=[Count("n_touches")])
    file = tmp_path / "my.toml"
    file.write_text('[[feature]]\nagg = "cuont"\nname = "n"\n')
    done = Shell(home, capsys, monkeypatch)("train", "--features", str(file))
    assert done.code == 1
    assert "did you mean 'count'" in done.err
