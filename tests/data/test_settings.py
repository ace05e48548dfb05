"""Settings come from the environment handed over, and a misspelt one stops the start."""

from pathlib import Path

import pytest

from data.errors import ConfigError
from data.settings import NAMES, Settings


def test_nothing_set_is_enough_to_start():
    assert Settings.from_env({"PATH": "/bin", "LEADLOOP_STORE": " "}) == Settings()


def test_everything_kept_moves_with_home():
    settings = Settings.from_env({"LEADLOOP_HOME": "/srv/leads"})
    assert settings.home == Path("/srv/leads")
    assert settings.store_url == "sqlite:////srv/leads/leadloop.db"
    assert settings.registry_url == "sqlite:////srv/leads/mlflow.db"


def test_every_name_is_read():
    env = {
        "LEADLOOP_HOME": "h", "LEADLOOP_STORE": "postgresql+psycopg://db/leads", "LEADLOOP_REGISTRY": "http://mlflow:5000",
        "LEADLOOP_GOAL": "won", "LEADLOOP_HOST": "0.0.0.0", "LEADLOOP_PORT": "8080", "LEADLOOP_POLL_SECONDS": "0.5",
        "LEADLOOP_MAX_BODY_BYTES": "2048", "LEADLOOP_INTAKE": "intake.toml", "LEADLOOP_LOG": "json", "LEADLOOP_WORKERS": "3",
        "LEADLOOP_SHADOW": "challenger", "LEADLOOP_PUBLIC_URL": "https://leads.example.com/in/",
        "LEADLOOP_HUBSPOT_SECRET": "s3cret", "LEADLOOP_HUBSPOT": "hubspot.toml",
    }  # fmt: skip
    assert tuple(env) == NAMES
    assert Settings.from_env(env) == Settings(
        home=Path("h"), store_url="postgresql+psycopg://db/leads", registry_url="http://mlflow:5000", goal="won",
        host="0.0.0.0", port=8080, poll_seconds=0.5, max_body_bytes=2048,
        intake=Path("intake.toml"), log="json", workers=3, shadow="challenger",
        public_url="https://leads.example.com/in", hubspot_secret="s3cret", hubspot=Path("hubspot.toml"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LEADLOOP_STOER", "x", "did you mean 'LEADLOOP_STORE'"),
        ("LEADLOOP_GOAL", "win", "did you mean 'won'"),
        ("LEADLOOP_PORT", "http", "whole number from 0 to 65535, not 'http'"),
        ("LEADLOOP_PORT", "70000", "whole number from 0 to 65535"),
        ("LEADLOOP_PORT", "٣٠٠٠", "whole number"),
        ("LEADLOOP_POLL_SECONDS", "nan", "seconds from 0.01"),
        ("LEADLOOP_POLL_SECONDS", "soon", "seconds from 0.01"),
        ("LEADLOOP_MAX_BODY_BYTES", "0", "whole number from 1024"),
        ("LEADLOOP_WORKERS", "0", "whole number from 1 to 64"),
        ("LEADLOOP_WORKERS", "2", "the store is SQLite"),
        ("LEADLOOP_LOG", "xml", "must be text or json, not 'xml'"),
        ("LEADLOOP_SHADOW", "on", "must be off or challenger, not 'on'"),
        ("LEADLOOP_SHADOW", "champion", "must be off or challenger, not 'champion'"),
        ("LEADLOOP_HUBSPOT_SECRET", "x", "needs LEADLOOP_PUBLIC_URL"),
        ("LEADLOOP_PUBLIC_URL", "leads.example.com", "must be an address like https"),
        ("LEADLOOP_PUBLIC_URL", "https://leads.example.com/?a=1", "must be an address like https"),
        ("LEADLOOP_SHADOV", "off", "did you mean 'LEADLOOP_SHADOW'"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(name, value, says):
    with pytest.raises(ConfigError, match=says):
        Settings.from_env({name: value})


def test_a_secret_is_not_shown_with_the_settings():
    env = {"LEADLOOP_HUBSPOT_SECRET": "s3cret", "LEADLOOP_PUBLIC_URL": "https://leads.example.com"}
    assert "s3cret" not in repr(Settings.from_env(env))
