"""The registry: which versions exist, and which one serves.

MLflow keeps runs, files and aliases; this module alone speaks to it. A goal is one registered model, ``leadloop-<goal>``. ``champion``
is the version that serves, ``challenger`` the newest candidate. The champions of the past are kept as a list, so that a rollback finds
the one before. MLflow takes seconds to import, so it is imported on first use.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.domain import format_instant
from data.errors import DamagedScorerError, RegistryError
from training.scorer.acceptance import check_accepted, mark
from training.scorer.artifact import load_scorer_folder
from training.scorer.connection import Connection, or_none
from training.scorer.families import check_family
from training.scorer.provenance import RUN_FILE, family_of, provenance, run_metrics, run_params
from training.scorer.registry_tags import anchors, drop_anchor, history, set_history
from training.scorer.scorer import Scorer
from training.scorer.version_files import HELD_OUT, write_files

if TYPE_CHECKING:
    from training.learning.run import TrainingResult

_REFERENCE = "leadloop.reference_log_odds"
_FOLDER = "scorer"
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered version of a goal's model; ``number`` is MLflow's version as text."""

    goal: str
    number: str

    @property
    def name(self) -> str:
        return model_name(self.goal)


def model_name(goal: str) -> str:
    """The registered model's name of a goal; characters MLflow refuses in names become hyphens."""
    return "leadloop-" + re.sub(r"[^\w\-]+", "-", goal)


class Registry:
    """Versions, aliases and files of scorers in an MLflow registry.

    Parameters
    ----------
    url : ``sqlite:///...`` (made when missing) or the address of an MLflow server.
    home : folder for the files of a SQLite registry (``home/mlartifacts``).

    Every method raises RegistryError when the registry cannot be reached or does not hold what was asked for.
    """

    def __init__(self, url: str, *, home: Path) -> None:
        self.url = url
        self.home = Path(home)
        self._mlflow = Connection(url, home=self.home)

    # -- reading ------------------------------------------------------------------------------------------------

    def resolve(self, goal: str, alias: str) -> str | None:
        """The version number an alias (or a number given as text) points to; None when there is none."""
        with self._mlflow.errors():
            client = self._mlflow.client()
            if _NUMBER.fullmatch(alias):
                found = or_none(lambda: client.get_model_version(model_name(goal), alias))
            else:
                found = or_none(lambda: client.get_model_version_by_alias(model_name(goal), alias))
            return None if found is None else str(found.version)

    def versions(self, goal: str) -> list[dict[str, Any]]:
        """All versions, oldest first: number, aliases, tags."""
        with self._mlflow.errors():
            client = self._mlflow.client()
            rows = client.search_model_versions(f"name='{model_name(goal)}'")
            aliases = _aliases(client, goal)
            found = [
                {
                    "number": str(row.version),
                    "aliases": sorted(a for a, n in aliases.items() if n == str(row.version)),
                    "tags": dict(row.tags),
                }
                for row in rows
            ]
            return sorted(found, key=lambda row: int(row["number"]))

    def anchor(self, goal: str, family: str) -> str | None:
        """The first version of a family that was ever accepted; None when none was."""
        with self._mlflow.errors():
            return anchors(self._mlflow.client(), model_name(goal)).get(family)

    def fetch(self, goal: str, number: str, *, into: Path) -> Path:
        """Copy a version's files into the folder ``into`` and return it: scorer.json, trees.txt, card.json, SHA256SUMS.

        The files arrive beside the folder first and are moved as a whole, so ``into`` never holds half of them; an old one is replaced.
        """
        into = Path(into)
        into.parent.mkdir(parents=True, exist_ok=True)
        with self._mlflow.errors(), tempfile.TemporaryDirectory(dir=into.parent) as work:
            mlflow = self._mlflow.mlflow()
            # download_artifacts makes a client of its own for models:/ addresses and does not pass the URIs below on to it.
            mlflow.set_tracking_uri(self.url)
            mlflow.set_registry_uri(self.url)
            got = mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{model_name(goal)}/{number}",
                dst_path=work,
                tracking_uri=self.url,
                registry_uri=self.url,
            )
            folder = next((p for p in Path(got).rglob(_FOLDER) if (p / "scorer.json").is_file()), None)
            if folder is None:
                raise RegistryError(
                    f"version {number} of {model_name(goal)} holds no scorer; register it again"
                )
            shutil.rmtree(into, ignore_errors=True)
            shutil.move(str(folder), str(into))
        return into

    def load(self, goal: str, which: str) -> Scorer:
        """The scorer of an alias or version number, with ``version`` set."""
        number = self.number(goal, which)
        with tempfile.TemporaryDirectory() as work:
            return load_scorer_folder(self.fetch(goal, number, into=Path(work) / "scorer")).with_version(
                number
            )

    def load_held_out(self, goal: str, which: str) -> Scorer:
        """The scorer of that version's training which has not seen its newest leads: the one to judge it by."""
        number = self.number(goal, which)
        with tempfile.TemporaryDirectory() as work:
            folder = self.fetch(goal, number, into=Path(work) / "scorer") / HELD_OUT
            return load_scorer_folder(folder).with_version(number)

    def card(self, goal: str, which: str) -> dict[str, Any]:
        """The model card of an alias or version number."""
        number = self.number(goal, which)
        with tempfile.TemporaryDirectory() as work:
            folder = self.fetch(goal, number, into=Path(work) / "scorer")
            return json.loads((folder / "card.json").read_text())

    # -- writing ------------------------------------------------------------------------------------------------

    def register(
        self, result: TrainingResult, *, now: int, figures: Mapping[str, Any] | None = None
    ) -> ModelVersion:
        """Log a training as a run, register its scorer and name it ``challenger``.

        The first registration of a goal freezes the reference odds: a score of 70 means the same for every later version.
        """
        goal = result.scorer.goal
        name = model_name(goal)
        with self._mlflow.errors(), tempfile.TemporaryDirectory() as work:
            mlflow, client = self._mlflow.mlflow(), self._mlflow.client()
            reference = self._freeze_reference(client, goal, result.scorer.scale.reference_log_odds)
            folder = Path(work) / _FOLDER
            origin = provenance(result.card)
            write_files(result, folder, reference_log_odds=reference)
            (folder / RUN_FILE).write_text(json.dumps(origin, sort_keys=True, indent=1))
            mlflow.set_tracking_uri(self.url)
            mlflow.set_registry_uri(self.url)
            experiment = self._mlflow.experiment(client, name)
            with mlflow.start_run(
                experiment_id=experiment, run_name=f"{goal} {format_instant(now)[:16]}"
            ) as run:
                mlflow.log_params(run_params(result.card, origin))
                mlflow.log_metrics(run_metrics(result.card))
                for title, figure in (figures or {}).items():
                    mlflow.log_figure(figure, f"plots/{title}.html")
                logged = mlflow.pyfunc.log_model(
                    name="scorer",
                    python_model=str(Path(__file__).with_name("mlflow_model.py")),
                    artifacts={"scorer": str(folder)},
                    # Named, not inferred: inferring installs and imports the model a second time.
                    pip_requirements=["leadloop"],
                )
                run_id = run.info.run_id
            # An MLflow server refuses a source whose logged model it is not told.
            made = client.create_model_version(
                name, source=logged.model_uri, run_id=run_id, model_id=logged.model_id
            )
            number = str(made.version)
            tags = {
                "goal": goal,
                "horizon_days": result.scorer.horizon_days,
                "family": family_of(result.card),
                **mark(result.card),
            }
            if definition := result.card.get("definition"):
                tags["definition"] = json.dumps(definition, sort_keys=True)
            for key, value in tags.items():
                client.set_model_version_tag(name, number, key, str(value))
            client.set_registered_model_alias(name, "challenger", number)
        return ModelVersion(goal=goal, number=number)

    def promote(
        self, goal: str, which: str, *, accept_leaks: bool = False, new_family: bool = False
    ) -> ModelVersion:
        """Make a version the champion; the first of a family becomes its anchor. Promoting the champion again changes nothing.

        Raises UnacceptedLeaksError for one that looks too good (see ``acceptance``), unless ``accept_leaks``, and OtherFamilyError for
        one whose label means something else than the champion's (see ``families``), unless ``new_family``.
        """
        number = self.number(goal, which)
        champion = self.resolve(goal, "champion")
        with self._mlflow.errors():
            client = self._mlflow.client()
            check_family(client, model_name(goal), number, champion=champion, new_family=new_family)
            check_accepted(client, model_name(goal), number, accept_leaks=accept_leaks)
            past = history(client, model_name(goal))
            if not past or past[-1] != number:
                set_history(client, model_name(goal), [*past, number])
            drop_anchor(client, model_name(goal), number)
            client.set_registered_model_alias(model_name(goal), "champion", number)
        return ModelVersion(goal=goal, number=number)

    def rollback(self, goal: str) -> ModelVersion:
        """Make the newest earlier champion whose files are sound champion again."""
        self.number(goal, "champion")
        with self._mlflow.errors():
            client = self._mlflow.client()
            past = history(client, model_name(goal))
            while len(past) > 1 and not self._is_sound(goal, past[-2]):
                past = [*past[:-2], past[-1]]
            if len(past) < 2:
                raise RegistryError(
                    f"{model_name(goal)} has had {len(past)} champion(s); there is none before to go back to"
                )
            set_history(client, model_name(goal), past[:-1])
            client.set_registered_model_alias(model_name(goal), "champion", past[-2])
            return ModelVersion(goal=goal, number=past[-2])

    def _is_sound(self, goal: str, number: str) -> bool:
        try:
            self.load(goal, number)
        except DamagedScorerError:
            return False
        return True

    def _freeze_reference(self, client: Any, goal: str, proposed: float) -> float:
        name = model_name(goal)
        if or_none(lambda: client.get_registered_model(name)) is None:
            client.create_registered_model(name)
        tags = client.get_registered_model(name).tags
        if _REFERENCE in tags:
            return float(tags[_REFERENCE])
        client.set_registered_model_tag(name, _REFERENCE, repr(float(proposed)))
        return float(proposed)

    def number(self, goal: str, which: str) -> str:
        """The version number of an alias or number; as ``resolve``, but raises when there is none."""
        number = self.resolve(goal, which)
        if number is None:
            known = [
                " ".join((row["number"], *(f"({a})" for a in row["aliases"]))) for row in self.versions(goal)
            ]
            held = (
                f"it has {', '.join(known[-5:])}; make one the champion with"
                if known
                else "train one with `leadloop train`, then"
            )
            raise RegistryError(
                f"{model_name(goal)} has no version or alias {which!r}; {held} `leadloop promote VERSION`"
            )
        return number


def _aliases(client: Any, goal: str) -> dict[str, str]:
    found = or_none(lambda: client.get_registered_model(model_name(goal)))
    return {} if found is None else {a: str(n) for a, n in found.aliases.items()}
