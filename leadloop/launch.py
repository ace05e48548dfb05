"""Starting the service: one BentoML process with the settings of this environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from data.errors import ConfigError
from data.intake import load_intake
from data.sources.hubspot import load_hubspot_rules
from leadloop.notebook import open_store, settings

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve_command(*, host: str, port: int, has_key: bool = False) -> list[str]:
    """The command line that serves. Raises ConfigError for a host others can reach while there is no key to know them by."""
    if host not in _LOOPBACK and not has_key:
        raise ConfigError(
            f"refusing to listen on {host!r}: there is no live API key, so the service listens on loopback only; "
            "make one first: leadloop keys create NAME --scope score"
        )
    return [
        sys.executable, "-m", "bentoml", "serve", "serving.service:LeadScorer",
        "--host", host, "--port", str(port),
    ]  # fmt: skip


def check_free(host: str, port: int) -> None:
    """Raises ConfigError when something listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {fault.strerror}; stop what listens there, or choose another --port"
            ) from fault


def serve_environment(environment: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """The environment of the service: nothing phones home, one thread for the trees, and counts of its own.

    Services of one machine would share BentoML's folder, where the one that starts clears what the others have counted.
    """
    return {
        "BENTOML_HOME": str(home.absolute() / "bentoml"),
        **environment,
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
    }


def serve_forever(*, host: str | None, port: int | None) -> None:
    """Replace this process by the service. Raises ConfigError when the port is taken, or a file with rules cannot be used."""
    chosen = settings()
    # The workers read them, and would be started again and again.
    load_intake(chosen.intake)
    load_hubspot_rules(chosen.hubspot)
    host, port = host or chosen.host, port or chosen.port
    has_key = host not in _LOOPBACK and any(key.is_live for key in open_store().keys.all())
    command = serve_command(host=host, port=port, has_key=has_key)
    check_free(host, port)
    sys.stdout.flush()
    os.execve(command[0], command, serve_environment(os.environ, home=chosen.home))


def start_service(
    *, home: Path, port: int, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start the service in the background, its output in ``log``."""
    with log.open("wb") as sink:
        return subprocess.Popen(
            serve_command(host="127.0.0.1", port=port),
            env=serve_environment(
                {**environment, "LEADLOOP_HOME": str(home), "LEADLOOP_PORT": str(port)}, home=home
            ),
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
