"""The connection to MLflow: opened on first use, made safe for several processes, its faults turned into ours.

MLflow takes seconds to import, so nothing here imports it before a call needs it. Only this module and ``mlflow_model`` do.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.errors import RegistryError


class Connection:
    """MLflow at ``url``; files of a SQLite registry go to ``home/mlartifacts``."""

    def __init__(self, url: str, *, home: Path) -> None:
        self.url = url
        self.home = Path(home)
        self._held: Any = None

    def mlflow(self) -> Any:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        # A registry that is away must not hold the service's poller for MLflow's default of minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        import logging

        import mlflow

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        return mlflow

    def client(self) -> Any:
        if self._held is None:
            mlflow = self.mlflow()
            with self._first_start():
                client = mlflow.MlflowClient(tracking_uri=self.url, registry_uri=self.url)
                client.search_experiments(max_results=1)
                client.search_registered_models(max_results=1)
            self._held = client
        return self._held

    @contextmanager
    def _first_start(self) -> Iterator[None]:
        # Four processes on a fresh file: three died of "duplicate column name". One makes the tables, the others wait.
        if not self.url.startswith("sqlite:///"):
            yield
            return
        path = Path(self.url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def experiment(self, client: Any, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = None
        if self.url.startswith("sqlite:///"):
            place = (self.home / "mlartifacts").resolve().as_uri()
        return str(client.create_experiment(name, artifact_location=place))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Faults of MLflow and its database as RegistryError."""
        from sqlalchemy.exc import SQLAlchemyError

        mlflow = self.mlflow()
        try:
            yield
        except (mlflow.exceptions.MlflowException, OSError, SQLAlchemyError) as fault:
            self._held = None
            first = (str(fault).splitlines() or [""])[0][:200]
            raise RegistryError(
                f"the model registry did not answer ({type(fault).__name__}: {first}); see LEADLOOP_REGISTRY"
            ) from fault


def or_none(call: Any) -> Any:
    """What the call gives, or None when MLflow says that there is no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return call()
    except MlflowException as fault:
        missing = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
        if fault.error_code in missing:
            return None
        raise
