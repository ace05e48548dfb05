"""A challenger in shadow: scores what was answered from the very same history and cutoff, is logged, and never heard of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from data.asof import snapshots_at
from data.domain import DAY, Lead, Link, Touchpoint
from data.errors import StoreError
from data.scorelog import ScoreRow, id_beside
from data.snapshots import LeadHistory
from data.store import Store
from serving.live import Served
from serving.messages import LeadMessage
from serving.metrics import ShadowMetrics
from serving.scored import Seen
from serving.shadow import Shadow, Waiting, rows_of
from tests.serving.conftest import NOW, Service, make_scorer, make_service, stop_service
from tests.serving.test_live import until

VISIT = {"touchpoint_id": "t1", "occurred_at": "2026-03-07T14:30:00Z", "type": "pricing_view"}


class Shadowed:
    """A service with a challenger in shadow, version 8, beside its champion, version 7, and what was counted."""

    def __init__(self, service: Service, counted: CollectorRegistry) -> None:
        self.service, self.counted = service, counted
        assert service.parts.shadow is not None
        self.shadow: Shadow = service.parts.shadow
        self.store, self.registry = service.store, service.registry

    @property
    def scored(self) -> float:
        return sum(
            s.value
            for family in self.counted.collect()
            for s in family.samples
            if s.name == "leadloop_shadow_scores_total"
        )

    @property
    def dropped(self) -> float:
        return self.counted.get_sample_value("leadloop_shadow_dropped_total") or 0.0

    def post(self, path: str, body: object) -> httpx.Response:
        """The answer; what follows its commit has been done."""
        response = self.service.post(path, body)
        # The writer takes this up only after what was to follow the jobs before.
        self.service.parts.writer.submit(lambda _: None).result(10)
        return response

    def start(self) -> None:
        self.shadow._thread = threading.Thread(target=self.shadow._work, daemon=True)
        self.shadow._thread.start()

    def beside(self, answer: dict) -> ScoreRow | None:
        return self.store.scores.by_id(id_beside(answer["score_id"]))

    def waited_for(self, answer: dict) -> ScoreRow:
        until(lambda: self.beside(answer) is not None)
        row = self.beside(answer)
        assert row is not None
        return row

    @property
    def challenger(self) -> Served:
        served = self.shadow.challenger.current()
        assert served is not None
        return served

    def name(self, number: str | None) -> None:
        self.registry.challenger = number
        self.shadow.challenger.look()


def make_shadowed(folder: Path, *, champion: bool = True, **options) -> Shadowed:
    counted = CollectorRegistry()
    counts = ShadowMetrics(registry=counted)
    shadow = {"counts": counts, "gather_seconds": 0.01, **options}
    return Shadowed(make_service(folder, champion=champion, shadow=shadow), counted)


@pytest.fixture
def still(tmp_path: Path) -> Iterator[Shadowed]:
    """One whose thread has not begun, so that leads wait."""
    made = make_shadowed(tmp_path)
    yield made
    stop_service(made.service)


@pytest.fixture
def shadowed(still: Shadowed) -> Shadowed:
    still.start()
    return still


def test_the_answer_is_the_champions_and_the_log_has_both_at_one_cutoff(shadowed: Shadowed):
    answer = shadowed.post("/v1/score", {"lead_id": "ada", "title": "CEO", "touchpoints": [VISIT]}).json()
    row = shadowed.waited_for(answer)
    assert (answer["model_version"], answer["route"]) == ("7", "champion")
    champions = shadowed.store.scores.by_id(answer["score_id"])
    assert champions is not None
    assert (champions.model_version, champions.route) == ("7", "champion")
    assert (row.model_version, row.route, row.reasons) == ("8", "challenger", "[]")
    same = ("lead_id", "goal", "cutoff", "stored")
    assert [getattr(row, n) for n in same] == [getattr(champions, n) for n in same]
    assert row.points != champions.points
    assert shadowed.store.scores.last_of("ada") == champions
    assert shadowed.store.scores.recent(limit=5) == [champions]


def test_readers_of_a_leads_score_see_the_champions(shadowed: Shadowed):
    service = shadowed.service
    answer = service.post("/v1/score", {"lead_id": "ada", "title": "CEO"}).json()
    shadowed.waited_for(answer)
    assert service.get("/v1/leads/ada").json()["last_score"]["score_id"] == answer["score_id"]
    explained = service.get("/v1/leads/ada/explanation").json()
    assert (explained["score_id"], explained["model_version"]) == (answer["score_id"], "7")
    page = service.get("/").text
    assert "version 7" in page
    assert "version 8" not in page


def test_bits_are_those_of_the_challengers_scorer_on_these_rows(shadowed: Shadowed):
    """Law 2, account counts among it: as training sees the lead at that cutoff."""
    service = shadowed.service
    for lead_id in ("ada", "bob", "eve"):
        said = {
            "lead_id": lead_id,
            "company": "Acme",
            "employees": 40,
            "touchpoints": [{**VISIT, "touchpoint_id": lead_id}],
        }
        answer = service.post("/v1/score", said).json()
        row = shadowed.waited_for(answer)
        scorer = shadowed.challenger.scorer
        matrix = scorer.matrix(snapshots_at(service.store, [lead_id], cutoff=row.cutoff))
        scored = scorer.score_matrix(matrix)
        assert row.features == matrix.X[0].tobytes()
        assert (row.score, row.grade, row.probability, row.points) == (
            scored.score[0], scored.grade[0], scored.probability[0], scored.points[0]
        )  # fmt: skip
    counted = np.frombuffer(row.features)[scorer.features.names.index("n_account_leads")]
    assert counted == 2.0


def test_what_came_after_the_cutoff_does_not_count_though_it_is_there_when_the_shadow_looks(still: Shadowed):
    service = still.service
    first = still.post("/v1/score", {"lead_id": "ada", "company": "Acme"}).json()
    service.clock.forward(1)
    service.post("/v1/score", {"lead_id": "bob", "company": "Acme"})
    service.post("/v1/touchpoints", {**VISIT, "lead_id": "ada"})
    still.start()
    row = still.waited_for(first)
    names = still.challenger.scorer.features.names
    values = dict(zip(names, np.frombuffer(row.features), strict=True))
    assert values["n_account_leads"] == 0.0
    assert values["n_pricing_views_7d"] == 0.0


def test_leads_of_many_cutoffs_share_a_matrix_and_count_as_if_alone(light: Store):
    """One of the companies has more leads than are told apart, and more came between the cutoffs."""
    start = NOW - 10 * DAY
    leads = [
        Lead(
            f"l{i}",
            start + i,
            {"company": "Acme" if i % 20 else f"Firm {i % 3}"},
            observed_at=start + i,
            received_at=start + i,
        )
        for i in range(1_150)
    ]
    light.add_leads(leads, now=NOW)
    light.add_links(
        [Link(f"m{i}", f"l{i}", "l1", start + 1_120, received_at=start + 1_120) for i in (3, 40, 60)], now=NOW
    )
    scorer = make_scorer(slope=0.4)
    waiting = []
    for i in (0, 1, 2, 20, 60, 77, 980, 1_010, 1_100, 1_149):
        for cutoff in (start + i, start + 1_060, start + 1_119, start + 1_120, start + 40 * DAY):
            if cutoff >= start + i:
                history = light.histories([f"l{i}"], cutoff=cutoff)[f"l{i}"]
                waiting.append(Waiting(history, f"l{i}", True, f"{i} {cutoff}", "7", cutoff))
    waiting.append(Waiting(LeadHistory("new", NOW), "", False, "new", "7", NOW))
    rows = rows_of(waiting, Served(scorer, "8"), light)
    assert [row.score_id for row in rows] == [id_beside(lead.score_id) for lead in waiting]
    for row, lead in zip(rows[:-1], waiting[:-1], strict=True):
        alone = scorer.matrix(snapshots_at(light, [lead.lead_id], cutoff=lead.cutoff))
        assert row.features == alone.X[0].tobytes(), lead.score_id
    counted = np.array(
        [np.frombuffer(row.features)[scorer.features.names.index("n_account_leads")] for row in rows]
    )
    assert np.nanmax(counted) == 1_000.0
    assert len(set(counted[~np.isnan(counted)])) > 5


def test_a_bulk_is_scored_beside_in_order_and_its_problems_are_left_out(shadowed: Shadowed):
    service = shadowed.service
    leads = [{"lead_id": f"l{i}", "employees": 3 * i + 1, "company": f"c{i % 4}"} for i in range(600)]
    leads[5] = {"lead_id": "nobody"}
    leads[7] = {"titel": "CEO"}
    results = service.post("/v1/score/bulk", {"leads": leads}).json()["results"]
    good = [r for r in results if "score_id" in r]
    assert len(good) == 598
    rows = [shadowed.waited_for(answer) for answer in good]
    assert [row.lead_id for row in rows] == [answer["lead_id"] for answer in good]
    scorer = shadowed.challenger.scorer
    then = snapshots_at(service.store, [row.lead_id for row in rows], cutoff=rows[0].cutoff)
    assert b"".join(row.features for row in rows) == scorer.matrix(then).X.tobytes()
    assert len(service.store.scores.pairs(goal="qualified", limit=1_000)) == 598
    until(lambda: shadowed.scored == 598)
    assert shadowed.dropped == 0


def test_a_middling_list_is_scored_beside_too(shadowed: Shadowed):
    answers = shadowed.post("/v1/score/bulk", {"leads": [{"employees": i} for i in range(1, 21)]}).json()[
        "results"
    ]
    rows = [shadowed.waited_for(answer) for answer in answers]
    assert {row.lead_id for row in rows} == {""}
    pairs = shadowed.store.scores.pairs(goal="qualified", limit=50)
    assert sorted(answered.points for _, answered in pairs) == sorted(a["points"] for a in answers)


def test_a_lead_that_is_not_kept_is_scored_from_what_it_said(shadowed: Shadowed):
    answer = shadowed.post("/v1/score", {"employees": 40, "title": "CEO", "touchpoints": [VISIT]}).json()
    row = shadowed.waited_for(answer)
    assert (row.lead_id, row.stored) == ("", False)
    # Both have the same columns here, so the same numbers.
    champions = shadowed.store.scores.by_id(answer["score_id"])
    assert champions is not None
    assert row.features == champions.features


def test_challengers_own_features_are_computed(shadowed: Shadowed):
    full = make_scorer()
    keep = [
        j for j, f in enumerate(full.features) if f.name in ("employees", "n_pricing_views_7d", "country")
    ]
    fewer = make_scorer(
        slope=0.3, features=type(full.features)(tuple(full.features.features[j] for j in keep))
    )
    shadowed.registry.register("9", fewer)
    shadowed.name("9")
    answer = shadowed.post("/v1/score", {"employees": 40, "touchpoints": [VISIT]}).json()
    row = shadowed.waited_for(answer)
    assert row.model_version == "9"
    champions = np.frombuffer(shadowed.store.scores.by_id(answer["score_id"]).features)
    assert np.frombuffer(row.features).tobytes() == champions[keep].tobytes()


def test_a_challenger_that_is_the_champion_is_not_scored_twice(still: Shadowed):
    still.name("7")
    assert still.shadow.version() is None
    still.post("/v1/score", {"employees": 40})
    assert not still.shadow._waiting
    still.name("8")
    assert still.shadow.version() == "8"


def test_a_challenger_promoted_while_leads_wait_scores_those_another_version_answered(still: Shadowed):
    old = still.post("/v1/score", {"employees": 40}).json()
    still.registry.champion = "8"
    still.service.live.look()
    assert still.shadow.version() is None
    new = still.post("/v1/score", {"employees": 40}).json()
    assert (old["model_version"], new["model_version"]) == ("7", "8")
    still.start()
    assert still.waited_for(old).model_version == "8"
    assert still.beside(new) is None


def test_without_a_challenger_nothing_waits_and_a_vanished_one_scores_nothing(still: Shadowed):
    answer = still.post("/v1/score", {"employees": 40}).json()
    still.name(None)
    assert still.shadow.version() is None
    still.post("/v1/score", {"employees": 41})
    assert len(still.shadow._waiting) == 1
    still.start()
    until(lambda: not still.shadow._waiting)
    still.name("8")
    again = still.post("/v1/score", {"employees": 42}).json()
    still.waited_for(again)
    assert still.beside(answer) is None
    until(lambda: (still.scored, still.dropped) == (1.0, 0.0))


def test_more_than_fits_is_dropped_and_counted(tmp_path: Path):
    made = make_shadowed(tmp_path, most_leads=30)
    try:
        leads = [{"employees": i} for i in range(1, 41)]
        answers = made.post("/v1/score/bulk", {"leads": leads}).json()["results"]
        assert len(made.shadow._waiting) == 30
        assert made.dropped == 10.0
        made.post("/v1/score", {"employees": 41})
        assert made.dropped == 11.0
        made.start()
        for answer in answers[:30]:
            made.waited_for(answer)
        assert [made.beside(answer) for answer in answers[30:]] == [None] * 10
        # There is room again.
        made.waited_for(made.post("/v1/score", {"employees": 42}).json())
        until(lambda: (made.scored, made.dropped) == (31.0, 11.0))
    finally:
        stop_service(made.service)


def test_touchpoints_that_wait_are_bounded_too(tmp_path: Path):
    """A lead with a long history weighs more than one without."""
    made = make_shadowed(tmp_path, most_touchpoints=5)
    long = [{**VISIT, "touchpoint_id": f"t{i}"} for i in range(4)]
    try:
        made.post("/v1/score", {"employees": 1, "touchpoints": long})
        made.post("/v1/score", {"employees": 2, "touchpoints": long})
        made.post("/v1/score", {"employees": 3, "touchpoints": long[:1]})
        assert (len(made.shadow._waiting), made.dropped) == (2, 1.0)
        made.start()
        until(lambda: made.scored == 2.0)
        assert made.shadow._n_touchpoints == 0
    finally:
        stop_service(made.service)


def test_trouble_is_logged_once_counted_and_survived(
    shadowed: Shadowed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    service = shadowed.service
    known = service.store.account_spans

    def away(accounts, *, cutoff=None):
        if threading.current_thread() is shadowed.shadow._thread:
            raise ZeroDivisionError("ada@acme.io")
        return known(accounts, cutoff=cutoff)

    with monkeypatch.context() as broken, caplog.at_level(logging.INFO):
        broken.setattr(service.store, "account_spans", away)
        for i in range(3):
            answer = service.post("/v1/score", {"lead_id": f"l{i}", "email": "ada@acme.io"}).json()
            assert (answer["model_version"], answer["degraded"]) == ("7", False)
            until(lambda i=i: shadowed.dropped == i + 1.0)
    assert caplog.text.count("could not score in shadow") == 1
    assert "ZeroDivisionError" in caplog.text
    assert "acme" not in caplog.text
    shadowed.waited_for(service.post("/v1/score", {"lead_id": "eve", "email": "eve@acme.io"}).json())
    until(lambda: (shadowed.scored, shadowed.dropped) == (1.0, 3.0))


def test_a_write_that_fails_is_counted_and_survived(shadowed: Shadowed, monkeypatch: pytest.MonkeyPatch):
    service = shadowed.service
    known = service.store.scores.append

    def full(rows):
        if rows[0].route == "challenger":
            # Of a TimeoutError it could be thought that the write still waits.
            raise TimeoutError
        known(rows)

    with monkeypatch.context() as broken:
        broken.setattr(service.store.scores, "append", full)
        assert service.post("/v1/score", {"lead_id": "ada", "employees": 40}).status_code == 200
        until(lambda: shadowed.dropped == 1.0)
    shadowed.waited_for(service.post("/v1/score", {"lead_id": "bob", "employees": 40}).json())
    assert service.store.scores.last_of("ada") is not None


def test_a_degraded_answer_is_not_scored_beside(still: Shadowed, monkeypatch: pytest.MonkeyPatch):
    def away(*_, **__):
        raise StoreError("the store is busy")

    with monkeypatch.context() as broken:
        broken.setattr(still.store, "add_leads", away)
        answer = still.post("/v1/score", {"lead_id": "ada", "employees": 40}).json()
    assert answer["degraded"]
    until(lambda: still.store.scores.by_id(answer["score_id"]) is not None)
    assert not still.shadow._waiting


def test_a_transaction_that_is_taken_back_leaves_nothing_behind(still: Shadowed):
    served = still.service.live.current()
    assert served is not None
    scoring = still.service.parts.scoring()
    message = LeadMessage("ada", None, {"employees": 40.0})

    def break_after(now: int) -> None:
        scoring._scored_and_logged([message], served, now, True)
        raise ZeroDivisionError

    promise = still.service.parts.writer.submit(break_after)
    assert isinstance(promise.exception(5), ZeroDivisionError)
    still.post("/v1/score", {"lead_id": "bob", "employees": 40})
    assert [lead.lead_id for lead in still.shadow._waiting] == ["bob"]


def test_what_follows_a_commit_cannot_break_the_writer(still: Shadowed, caplog: pytest.LogCaptureFixture):
    writer = still.service.parts.writer
    done: list[str] = []

    def job(now: int) -> int:
        writer.after_commit(lambda: 1 // 0)
        writer.after_commit(lambda: done.append("next"))
        return now

    first, second = writer.submit(job).result(5), writer.submit(job).result(5)
    assert second > first
    until(lambda: done == ["next", "next"])
    assert "ZeroDivisionError" in caplog.text


def test_stopping_ends_the_thread_and_drops_what_waits(still: Shadowed):
    still.post("/v1/score/bulk", {"leads": [{"employees": i} for i in range(1, 11)]})
    still.shadow.stop()
    assert still.dropped == 10.0
    assert not still.shadow._waiting
    before = threading.active_count()
    still.shadow.start()
    answer = still.post("/v1/score", {"employees": 40}).json()
    still.waited_for(answer)
    still.shadow.stop()
    assert threading.active_count() == before
    assert still.post("/v1/score", {"employees": 41}).status_code == 200


def test_the_challenger_is_not_looked_for_before_a_champion_serves(tmp_path: Path):
    """Both trials at once would make the first champion wait."""
    made = make_shadowed(tmp_path, champion=False)
    try:
        made.name(None)
        made.registry.challenger = "8"
        made.shadow.start()
        made.service.parts.writer.submit(lambda _: None).result(10)
        assert made.shadow.challenger.current() is None
        made.registry.register("7", make_scorer())
        made.registry.champion = "7"
        made.service.live.look()
        until(lambda: made.shadow.version() == "8")
        made.waited_for(made.post("/v1/score", {"employees": 40}).json())
    finally:
        stop_service(made.service)


def test_stopping_before_a_champion_serves_ends_the_thread(tmp_path: Path):
    made = make_shadowed(tmp_path, champion=False)
    made.shadow.start()
    thread = made.shadow._thread
    stop_service(made.service)
    assert thread is not None
    assert not thread.is_alive()


def test_stopping_does_not_wait_for_a_store_that_is_away(shadowed: Shadowed, monkeypatch: pytest.MonkeyPatch):
    service = shadowed.service
    known, writing, is_back = service.store.scores.append, threading.Event(), threading.Event()

    def slow(rows):
        if rows[0].route == "challenger":
            writing.set()
            is_back.wait(30)
        known(rows)

    monkeypatch.setattr(service.store.scores, "append", slow)
    answer = service.post("/v1/score", {"lead_id": "ada", "employees": 40}).json()
    assert writing.wait(10)
    thread = shadowed.shadow._thread
    shadowed.shadow.stop()
    assert thread is not None
    assert not thread.is_alive()
    is_back.set()
    # What was handed to the writer is still written.
    shadowed.waited_for(answer)


def test_a_lead_without_a_history_of_its_own_is_no_trouble(still: Shadowed):
    """Straight through ``follow``: the rows are those of the messages that could be scored."""
    history = LeadHistory(
        "ada",
        NOW - DAY,
        touchpoints=[Touchpoint("t", "ada", NOW - DAY, "email_open", received_at=NOW - DAY, source="x")],
    )
    row = ScoreRow("id", "ada", "qualified", "7", NOW, 50, "B", 0.2, 50.0, b"", "[]", True)
    still.shadow.follow([Seen(LeadMessage("ada", None, {}), history, is_stored=True)], [row])
    still.start()
    assert still.waited_for({"score_id": "id"}).cutoff == NOW


def test_the_model_call_names_the_challenger_beside_it_and_what_was_refused(still: Shadowed, tmp_path: Path):
    service = still.service
    said = service.get("/v1/model").json()
    assert (said["model_version"], said["shadow"], said["refused"]) == ("7", "8", [])
    still.name(None)
    assert service.get("/v1/model").json()["shadow"] is None
    still.name("7")
    assert service.get("/v1/model").json()["shadow"] is None
    folder = still.registry.register("9", make_scorer(slope=0.5))
    (folder / "scorer.json").write_bytes(b"{}")
    still.name("9")
    said = service.get("/v1/model").json()
    assert (said["shadow"], [r["version"] for r in said["refused"]]) == (None, ["9"])
    assert service.post("/v1/score", {"employees": 40}).status_code == 200


def test_switched_off_there_is_nothing_of_it(service: Service):
    assert service.parts.shadow is None
    assert service.parts.scoring()._shadow is None
    answer = service.post("/v1/score", {"employees": 40}).json()
    assert service.get("/v1/model").json()["shadow"] is None
    assert service.store.scores.by_id(id_beside(answer["score_id"])) is None
    assert not [t for t in threading.enumerate() if t.name == "leadloop-shadow"]


def test_the_gauge_shows_which_challenger_scores_beside(still: Shadowed):
    counts = still.shadow._counts
    assert isinstance(counts, ShadowMetrics)

    def shown() -> list[float | None]:
        counts.beside(still.shadow.version())
        return [
            still.counted.get_sample_value("leadloop_shadow_info", {"version": version})
            for version in ("7", "8")
        ]

    assert shown() == [None, 1.0]
    still.name("7")
    assert shown() == [None, 0.0]
