"""Which model serves: the champion, exchanged in one step; otherwise the last good one."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from data.errors import DamagedScorerError, RegistryError
from features.meaning import MEANING
from serving.live import LiveScorer, Watch
from serving.smoke import try_out
from tests.serving.conftest import FolderRegistry, Service, make_scorer


@pytest.fixture
def registry(tmp_path: Path) -> FolderRegistry:
    made = FolderRegistry(tmp_path / "registry")
    made.register("1", make_scorer(slope=0.1))
    made.register("2", make_scorer(slope=0.3))
    made.champion = "1"
    return made


def live_of(registry: FolderRegistry, folder: Path, **options) -> LiveScorer:
    return LiveScorer(
        registry, goal="qualified", folder=folder, poll_seconds=0.02, **{"trial": lambda _: None, **options}
    )


def version_of(live: LiveScorer) -> str | None:
    served = live.current()
    return None if served is None else served.version


def test_follows_the_champion(registry: FolderRegistry, tmp_path: Path):
    live = live_of(registry, tmp_path / "live")
    assert live.current() is None
    live.look()
    before = live.current()
    registry.champion = "2"
    live.look()
    after = live.current()
    assert (before.version, before.scorer.version) == ("1", "1")
    assert (after.version, after.scorer.version) == ("2", "2")
    assert before.scorer.model is not after.scorer.model


def test_a_rollback_is_followed_without_fetching_again(registry: FolderRegistry, tmp_path: Path):
    live = live_of(registry, tmp_path / "live")
    for number in ("1", "2", "1"):
        registry.champion = number
        live.look()
    assert version_of(live) == "1"
    assert registry.fetched == ["1", "2"]


def test_registry_away_keeps_the_last_good_one_also_across_a_restart(
    registry: FolderRegistry, tmp_path: Path
):
    live = live_of(registry, tmp_path / "live")
    live.look()
    registry.is_away = True
    with pytest.raises(RegistryError):
        live.look()
    assert version_of(live) == "1"
    again = live_of(registry, tmp_path / "live")
    again.start()
    try:
        assert version_of(again) == "1"
        until(lambda: again.watch.trouble is not None)
        registry.is_away = False
        registry.champion = "2"
        until(lambda: version_of(again) == "2")
        until(lambda: again.watch.trouble is None)
    finally:
        again.stop()


def test_no_champion_keeps_what_serves(registry: FolderRegistry, tmp_path: Path):
    live = live_of(registry, tmp_path / "live")
    live.look()
    registry.champion = None
    live.look()
    assert version_of(live) == "1"
    assert live.watch.named is None


def test_a_damaged_version_is_refused_remembered_and_reported(
    registry: FolderRegistry, tmp_path: Path, caplog
):
    live = live_of(registry, tmp_path / "live", trial=try_out)
    live.look()
    scorer_file = registry.folder / "2" / "scorer.json"
    scorer_file.write_bytes(scorer_file.read_bytes()[:-100])
    registry.champion = "2"
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            live.look()
    assert version_of(live) == "1"
    assert registry.fetched == ["1", "2"]
    assert "SHA256SUMS" in live.watch.refused["2"]
    assert len([r for r in caplog.records if "version 2 is refused" in r.message]) == 1
    registry.register("3", make_scorer(slope=0.5))
    registry.champion = "3"
    live.look()
    assert version_of(live) == "3"


def test_a_running_service_refuses_a_model_whose_features_it_computes_otherwise(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    """Law 2 across versions of the code: trained with another ``decay``, a model must not get ours."""
    with monkeypatch.context() as trained_elsewhere:
        trained_elsewhere.setitem(MEANING, "decay", 2)
        service.registry.register("8", make_scorer(slope=0.3))
    service.registry.champion = "8"
    service.live.look()
    why = service.live.watch.refused["8"]
    assert "decay (2 there, 1 here)" in why
    assert "train it anew" in why
    answer = service.post("/v1/score", {"lead_id": "ada", "title": "CEO"})
    assert (answer.status_code, answer.json()["model_version"]) == (200, "7")


def test_the_trial_names_the_definitions_that_differ(
    registry: FolderRegistry, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as trained_elsewhere:
        trained_elsewhere.setitem(MEANING, "gap_max", 3)
        folder = registry.register("3", make_scorer())
    with pytest.raises(DamagedScorerError, match=r"gap_max \(3 there, 1 here\).*train it anew"):
        try_out(folder)


def broken(folder: Path) -> bytes:
    """Cut the version's file short; what it was."""
    whole = (folder / "scorer.json").read_bytes()
    (folder / "scorer.json").write_bytes(whole[:-100])
    return whole


@pytest.fixture
def watched(registry: FolderRegistry, tmp_path: Path) -> tuple[LiveScorer, list[float], bytes]:
    """Version 1 serves, version 2 is champion and was refused; the seconds, which the test moves; version 2 as it should be."""
    seconds = [0.0]
    live = live_of(registry, tmp_path / "live", seconds=lambda: seconds[0])
    live.look()
    whole = broken(registry.folder / "2")
    registry.champion = "2"
    live.look()
    assert version_of(live) == "1"
    return live, seconds, whole


def test_a_refused_version_is_tried_again_with_growing_pauses(registry: FolderRegistry, watched, caplog):
    """It was never tried again, so that one mended in the registry did not serve before a restart."""
    live, seconds, whole = watched
    tried = []
    with caplog.at_level(logging.ERROR):
        for second in range(1, 3001):
            seconds[0] = float(second)
            before = len(registry.fetched)
            live.look()
            tried += [second] * (len(registry.fetched) - before)
    assert tried == [60, 180, 420, 900, 1500, 2100, 2700]
    assert len([r for r in caplog.records if "version 2 is refused" in r.message]) == len(tried)
    (registry.folder / "2" / "scorer.json").write_bytes(whole)
    seconds[0] = 3300.0
    live.look()
    assert version_of(live) == "2"
    assert live.watch.refused == {}


def test_a_refused_version_made_champion_anew_is_tried_at_once(registry: FolderRegistry, watched):
    live, _, whole = watched
    (registry.folder / "2" / "scorer.json").write_bytes(whole)
    live.look()
    assert version_of(live) == "1"
    registry.champion = "1"
    live.look()
    registry.champion = "2"
    live.look()
    assert version_of(live) == "2"


def test_the_registry_going_and_coming_back_is_logged_once_each(
    registry: FolderRegistry, tmp_path: Path, caplog
):
    looks = []
    live = live_of(registry, tmp_path / "live", told=looks.append)
    live.look()
    registry.is_away = True
    with caplog.at_level(logging.INFO):
        live.start()
        try:
            until(lambda: len(looks) >= 3)
            assert live.watch.trouble is not None
            registry.is_away = False
            until(lambda: live.watch.trouble is None)
            until(lambda: "can be followed again" in caplog.text)
        finally:
            live.stop()
    assert caplog.text.count("cannot be followed") == 1
    assert caplog.text.count("can be followed again") == 1


def test_a_model_that_kills_its_process_does_not_kill_ours(registry: FolderRegistry, tmp_path: Path):
    """Truncated tree files abort the process that parses them; here the sums agree with the broken bytes."""
    import hashlib

    folder = registry.folder / "2"
    sums = []
    for name in ("scorer.json", "trees.txt"):
        content = (folder / name).read_bytes()
        if name == "scorer.json":
            content = content.replace(b'"trees": null', b'"trees": {"fill": []}')
        else:
            content = b"tree\nversion=v4\nnum_class=1\nmax_feature_idx=0\nfeature_names=a\ntree_sizes=900\n\nTree=0\nnum_le"
        (folder / name).write_bytes(content)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums))
    live = live_of(registry, tmp_path / "live", trial=try_out)
    live.look()
    registry.champion = "2"
    live.look()
    assert version_of(live) == "1"
    assert "2" in live.watch.refused


def test_a_trial_without_an_answer_is_a_failed_one(registry: FolderRegistry, tmp_path: Path):
    with pytest.raises(DamagedScorerError, match="did not answer"):
        try_out(registry.folder / "1", patience=0.01)
    try_out(registry.folder / "1")


def test_a_damaged_copy_does_not_serve_after_a_restart(registry: FolderRegistry, tmp_path: Path):
    live_of(registry, tmp_path / "live").look()
    copy = tmp_path / "live" / "1" / "scorer.json"
    copy.write_bytes(copy.read_bytes().replace(b"qualified", b"qualifieD"))
    again = live_of(registry, tmp_path / "live", trial=try_out)
    again.take_up_copy()
    assert again.current() is None
    again.look()
    assert version_of(again) == "1"


def test_it_tells_when_a_model_is_let_go(registry: FolderRegistry, tmp_path: Path):
    told: list[str | None] = []
    live = live_of(registry, tmp_path / "live", let_go=lambda: told.append(version_of(live)))
    live.look()
    live.look()
    assert told == []
    registry.champion = "2"
    live.look()
    live.look()
    assert told == ["2"]
    registry.register("3", make_scorer())
    (registry.folder / "3" / "scorer.json").write_text("{")
    registry.champion = "3"
    live.look()
    assert told == ["2"]


def test_it_tells_when_a_challenger_is_let_go_and_none_follows(registry: FolderRegistry, tmp_path: Path):
    told: list[str | None] = []
    registry.challenger = "2"
    live = live_of(
        registry, tmp_path / "live", alias="challenger", let_go=lambda: told.append(version_of(live))
    )
    live.look()
    registry.challenger = None
    live.look()
    live.look()
    assert told == [None]


def test_the_watch_goes_on_when_whoever_is_told_of_it_fails(registry: FolderRegistry, tmp_path: Path):
    def told(live: LiveScorer) -> None:
        raise ValueError("a card that says nonsense")

    live = live_of(registry, tmp_path / "live", told=told)
    live.start()
    try:
        until(lambda: version_of(live) == "1")
        registry.champion = "2"
        until(lambda: version_of(live) == "2")
    finally:
        live.stop()


def test_old_copies_are_cleared(registry: FolderRegistry, tmp_path: Path):
    live = live_of(registry, tmp_path / "live")
    for number in range(3, 12):
        registry.register(str(number), make_scorer())
        registry.champion = str(number)
        live.look()
    copies = sorted(int(p.name) for p in (tmp_path / "live").iterdir() if p.is_dir())
    assert copies == [8, 9, 10, 11]


def test_every_response_is_of_one_version_while_models_change(service: Service):
    """One scorer object a request: the named version's scorer gives exactly these points."""
    scorers = {"7": make_scorer(), "8": make_scorer(slope=0.4)}
    service.registry.register("8", scorers["8"])
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            for number in ("8", "7"):
                service.registry.champion = number
                service.live.look()
                time.sleep(0.002)

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        # Known by fields that do not age, so that points depend on the version alone.
        body = {"json": {"leads": [{"employees": 9, "country": "de"}] * 60}}
        single = {"json": {"employees": 9, "country": "de"}}
        wanted = [("POST", "/v1/score", single)] * 150 + [("POST", "/v1/score/bulk", body)] * 10
        responses = service.calls(wanted)
        # On a busy machine one version may have answered all of them: then there is nothing to compare yet.
        deadline = time.monotonic() + 60
        while len({response.headers["x-model-version"] for response in responses}) < 2:
            assert time.monotonic() < deadline
            responses += service.calls(wanted)
    finally:
        stop.set()
        thread.join()
    points: dict[str, set[float]] = {"7": set(), "8": set()}
    for response in responses:
        said = response.json()
        rows = said.get("results", [said])
        assert {row["model_version"] for row in rows} == {response.headers["x-model-version"]}
        points[said["model_version"]].update(row["points"] for row in rows)
    assert len(points["7"]) == 1
    assert len(points["8"]) == 1
    assert points["7"] != points["8"]


def until(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- another alias than the champion's: followed to the letter ----------------------------------------------------


@pytest.fixture
def shadowed(registry: FolderRegistry, tmp_path: Path) -> LiveScorer:
    """Follows the challenger, which is version 2."""
    registry.challenger = "2"
    live = live_of(registry, tmp_path / "challenger", alias="challenger", trial=try_out)
    live.look()
    return live


def test_a_challenger_is_followed_beside_the_champion(registry: FolderRegistry, shadowed: LiveScorer):
    assert (version_of(shadowed), shadowed.watch.named) == ("2", "2")
    registry.register("3", make_scorer(slope=0.5))
    registry.challenger = "3"
    shadowed.look()
    assert version_of(shadowed) == "3"


def test_no_challenger_serves_nothing_until_there_is_one(registry: FolderRegistry, tmp_path: Path):
    live = live_of(registry, tmp_path / "challenger", alias="challenger")
    live.look()
    assert (version_of(live), live.watch) == (None, Watch())
    registry.challenger = "2"
    live.look()
    assert version_of(live) == "2"


def test_a_challenger_that_vanishes_serves_no_longer_also_not_after_a_restart(
    registry: FolderRegistry, shadowed: LiveScorer, tmp_path: Path
):
    registry.challenger = None
    shadowed.look()
    assert (version_of(shadowed), shadowed.watch.named) == (None, None)
    again = live_of(registry, tmp_path / "challenger", alias="challenger")
    again.take_up_copy()
    assert version_of(again) is None
    registry.challenger = "2"
    shadowed.look()
    assert version_of(shadowed) == "2"
    assert registry.fetched == ["2"]


def test_a_damaged_challenger_is_refused_and_the_one_before_does_not_stand_in(
    registry: FolderRegistry, shadowed: LiveScorer, caplog
):
    folder = registry.register("3", make_scorer(slope=0.5))
    whole = broken(folder)
    registry.challenger = "3"
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            shadowed.look()
    assert version_of(shadowed) is None
    assert registry.fetched == ["2", "3"]
    assert "SHA256SUMS" in shadowed.watch.refused["3"]
    [said] = [r.getMessage() for r in caplog.records if "is refused" in r.message]
    assert "version 3 is refused in shadow" in said
    assert "keeps serving" not in said
    (folder / "scorer.json").write_bytes(whole)
    registry.challenger = None
    shadowed.look()
    registry.challenger = "3"
    shadowed.look()
    assert (version_of(shadowed), shadowed.watch.refused) == ("3", {})


def test_a_refused_challenger_is_tried_again_with_growing_pauses(registry: FolderRegistry, tmp_path: Path):
    seconds = [0.0]
    registry.challenger = "2"
    broken(registry.folder / "2")
    live = live_of(
        registry, tmp_path / "challenger", alias="challenger", trial=try_out, seconds=lambda: seconds[0]
    )
    tried = []
    for second in range(0, 500, 20):
        seconds[0] = float(second)
        before = len(registry.fetched)
        live.look()
        tried += [second] * (len(registry.fetched) - before)
    assert tried == [0, 60, 180, 420]


def test_while_the_registry_is_away_the_challenger_goes_on(registry: FolderRegistry, shadowed: LiveScorer):
    registry.is_away = True
    with pytest.raises(RegistryError):
        shadowed.look()
    assert version_of(shadowed) == "2"


def test_a_challenger_is_taken_up_from_its_own_copy_after_a_restart(
    registry: FolderRegistry, shadowed: LiveScorer, tmp_path: Path
):
    registry.is_away = True
    again = live_of(registry, tmp_path / "challenger", alias="challenger")
    again.take_up_copy()
    assert version_of(again) == "2"
