"""Which model serves.

A thread in each process asks the registry which version is champion. A new one is fetched, tried out in a process of its own, and only then
put in the place of the old one, in one step: a request keeps the scorer it started with. Whatever goes wrong, the last good one keeps
serving, also across restarts, from the copy on disk. A version that fails its trial is refused and tried again with growing pauses, and at
once when it is made champion anew: it may have been mended in the registry.

Any other alias, such as ``challenger``, is followed to the letter: nobody waits for its answers, so nothing serves in its place when it is
gone or names a version that fails.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from data.errors import DamagedScorerError, LeadloopError
from data.scorelog import CHAMPION
from serving.problems import reason_of
from serving.smoke import try_out
from training.scorer.artifact import load_scorer_folder, scorer_hash
from training.scorer.scorer import Scorer

logger = logging.getLogger("leadloop.serving")

_CURRENT = "current.json"
_LONGEST_WAIT = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 600.0
_KEPT_VERSIONS = 3


class Champions(Protocol):
    """The part of the registry that serving needs."""

    def resolve(self, goal: str, alias: str) -> str | None: ...

    def fetch(self, goal: str, number: str, *, into: Path) -> Path: ...


@dataclass(frozen=True, slots=True)
class Served:
    """A model in service: never changed, only replaced."""

    scorer: Scorer
    version: str
    card: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watch:
    """What the last look at the registry found, for people; ``named`` is the version its alias names."""

    named: str | None = None
    refused: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that failed its trial: why, and when (seconds of the clock) and after what pause it is tried again."""

    why: str
    next_try: float
    pause: float


class LiveScorer:
    """The served model of one goal, exchanged while it serves.

    Parameters
    ----------
    registry : answers which version an alias names and hands out its files.
    goal : what is predicted.
    folder : where copies are kept; shared by the processes of one service, and by no other alias.
    alias : which alias is followed.
    poll_seconds : how often the registry is asked. While it does not answer, the pauses grow up to a minute.
    trial : raises when a folder's scorer must not serve; runs the scorer in a process of its own.
    seconds : a clock that never goes back; the pauses before a refused version is tried again go by it.
    told : called after every look at the registry, whether it succeeded or not.
    let_go : called when a model that served no longer does, and its memory can be used for something else.
    """

    def __init__(
        self,
        registry: Champions,
        *,
        goal: str,
        folder: Path,
        alias: str = CHAMPION,
        poll_seconds: float,
        trial: Callable[[Path], None] = try_out,
        seconds: Callable[[], float] = time.monotonic,
        told: Callable[[LiveScorer], None] = lambda _: None,
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        self.goal = goal
        self.watch = Watch()
        self._alias = alias
        self._is_to_answer = alias == CHAMPION
        self._where = "" if self._is_to_answer else " in shadow"
        self._registry = registry
        self._folder = Path(folder)
        self._poll_seconds = poll_seconds
        self._trial = trial
        self._served: Served | None = None
        self._seconds = seconds
        self._told = told
        self._let_go = let_go
        self._refused: dict[str, Refusal] = {}
        self._is_away = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def current(self) -> Served | None:
        """The model that serves now; take it once per request."""
        return self._served

    def scorer_of(self, version: str) -> Scorer | None:
        """The scorer of a version that serves or whose copy is still on disk; None otherwise."""
        served = self._served
        if served is not None and served.version == version:
            return served.scorer
        folder = self._folder / version
        if not version.isdigit() or not folder.is_dir():
            return None
        try:
            return _load(folder, version).scorer
        except (LeadloopError, OSError) as fault:
            logger.warning("the copy of version %s cannot be read: %s", version, reason_of(fault))
            return None

    def start(self) -> None:
        """Take up the copy on disk, if there is a good one, and begin to watch the registry."""
        self.take_up_copy()
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, name="leadloop-live", daemon=True)
        self._thread.start()

    def stop(self, *, patience: float = 10.0) -> None:
        """End the watch; what serves goes on serving. A look under way is waited for ``patience`` seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=patience)
            self._thread = None

    def take_up_copy(self) -> None:
        """Serve the last good version from disk; none, or a damaged one, leaves nothing serving."""
        try:
            note = json.loads((self._folder / _CURRENT).read_text())
            number = str(note["version"])
            folder = self._folder / number
            if scorer_hash(folder) != note["hash"]:
                raise DamagedScorerError(f"the copy of version {number} was altered")
            # These very bytes passed the trial before, and the sums are compared before anything is parsed.
            self._served = _load(folder, number)
            logger.info("serving version %s from the copy on disk%s", number, self._where)
        except FileNotFoundError:
            return
        except (LeadloopError, OSError, ValueError, KeyError, TypeError) as fault:
            logger.warning("the copy on disk cannot serve: %s", reason_of(fault))

    def look(self) -> None:
        """Ask the registry once and follow its alias. Raises what the registry raises; the served model stays."""
        number = self._registry.resolve(self.goal, self._alias)
        served = self._served
        if number is not None and (served is None or served.version != number) and self._is_due(number):
            self._exchange(number)
        if not self._is_to_answer and self._served is not None and self._served.version != number:
            self._leave_off()
        self.watch = Watch(named=number, refused=self._whys())

    def _leave_off(self) -> None:
        logger.info("%s serves%s no longer", self._name(), self._where)
        self._served = None
        (self._folder / _CURRENT).unlink(missing_ok=True)
        self._let_go()

    def _is_due(self, number: str) -> bool:
        refusal = self._refused.get(number)
        is_named_anew = self.watch.named != number
        return refusal is None or is_named_anew or self._seconds() >= refusal.next_try

    def _whys(self) -> dict[str, str]:
        return {number: refusal.why for number, refusal in self._refused.items()}

    def _exchange(self, number: str) -> None:
        folder = self._folder / number
        is_first = self._served is None
        try:
            self._served = self._made_ready(number, folder)
        except DamagedScorerError as fault:
            before = self._refused.get(number)
            pause = _FIRST_PAUSE if before is None else min(2 * before.pause, _LONGEST_PAUSE)
            self._refused[number] = Refusal(str(fault), self._seconds() + pause, pause)
            shutil.rmtree(folder, ignore_errors=True)
            logger.error(
                "version %s is refused%s; it is tried again in %.0f s: %s",
                number,
                f", {self._name()} keeps serving" if self._is_to_answer else self._where,
                pause,
                fault,
            )
            return
        self._refused.pop(number, None)
        _write_note(self._folder, {"version": number, "hash": scorer_hash(folder)})
        logger.info("version %s serves%s", number, self._where)
        self._forget_old(number)
        if not is_first:
            self._let_go()

    def _made_ready(self, number: str, folder: Path) -> Served:
        if folder.is_dir():
            try:
                self._trial(folder)
                return _load(folder, number)
            except DamagedScorerError as fault:
                # The disk may be at fault, not the version: its files are asked for once more.
                logger.warning("the copy of version %s is fetched again: %s", number, fault)
                shutil.rmtree(folder, ignore_errors=True)
        # Each process fetches beside the others and moves the whole folder: nobody ever sees half of one.
        arriving = self._folder / f".{number}.{os.getpid()}"
        shutil.rmtree(arriving, ignore_errors=True)
        try:
            self._registry.fetch(self.goal, number, into=arriving)
            self._trial(arriving)
            try:
                arriving.rename(folder)
            except OSError:
                # Another process was first, with the same files.
                if not folder.is_dir():
                    raise
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return _load(folder, number)

    def _watch(self) -> None:
        pause = self._poll_seconds
        while not self._stop.is_set():
            try:
                self.look()
                pause = self._poll_seconds
                if self._is_away:
                    self._is_away = False
                    logger.info("the registry can be followed again, %s serves%s", self._name(), self._where)
            except Exception as fault:
                # Whatever it is, it must not end the watch: the served model stays, and the next look may succeed.
                if not self._is_away:
                    self._is_away = True
                    logger.warning(
                        "the registry cannot be followed, %s keeps serving%s: %s",
                        self._name(),
                        self._where,
                        reason_of(fault),
                    )
                why = str(fault) if isinstance(fault, LeadloopError) else type(fault).__name__
                self.watch = Watch(self.watch.named, self._whys(), trouble=why)
                pause = min(max(pause, 0.1) * 2, _LONGEST_WAIT)
            try:
                self._told(self)
            except Exception as fault:
                # Told what a card says, for one: a strange one must not end the watch either.
                logger.error("a look at the registry could not be told: %s", reason_of(fault))
            self._stop.wait(pause)

    def _name(self) -> str:
        return "nothing" if self._served is None else f"version {self._served.version}"

    def _forget_old(self, number: str) -> None:
        copies = [p for p in self._folder.iterdir() if p.is_dir() and p.name.isdigit() and p.name != number]
        for old in sorted(copies, key=_age_rank, reverse=True)[_KEPT_VERSIONS:]:
            shutil.rmtree(old, ignore_errors=True)


def _age_rank(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        # Another process of the service cleared it first.
        return 0.0


def _load(folder: Path, number: str) -> Served:
    scorer = load_scorer_folder(folder).with_version(number)
    try:
        card = json.loads((folder / "card.json").read_text())
    except (OSError, ValueError):
        card = {}
    return Served(scorer=scorer, version=number, card=card)


def _write_note(folder: Path, note: dict[str, str]) -> None:
    arriving = folder / f".{_CURRENT}.{os.getpid()}"
    with arriving.open("w") as file:
        json.dump(note, file)
        file.flush()
        os.fsync(file.fileno())
    arriving.replace(folder / _CURRENT)
