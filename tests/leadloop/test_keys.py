"""`leadloop keys`: made and shown once, listed by their ends, revoked; and what `leadloop serve` needs to listen to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import ConfigError
from leadloop.launch import serve_command
from tests.leadloop.test_command import Shell


@pytest.fixture
def fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path / "var", capsys, monkeypatch)


def test_a_key_is_printed_once_and_listed_by_its_ends(fresh: Shell):
    made = fresh("keys", "create", "crm", "--scope", "score", "--scope", "read", "--rate-per-minute", "600")
    secret = made.out.strip()
    assert secret.startswith("ll_")
    assert "Shown once" in made.err
    [row] = fresh.json("keys", "list")["keys"]
    assert (row["name"], row["key"]) == ("crm", f"{secret[:7]}...{secret[-4:]}")
    assert (row["scopes"], row["rate_per_minute"], row["revoked_at"]) == (["score", "read"], 600, None)
    listed = fresh("keys", "list").out
    assert row["key"] in listed
    assert secret not in listed


def test_a_third_key_is_refused_until_one_is_revoked(fresh: Shell):
    first = fresh.json("keys", "create", "crm", "--scope", "score")
    fresh.json("keys", "create", "crm", "--scope", "score")
    refused = fresh("keys", "create", "crm", "--scope", "score")
    ending = first["key"][-4:]
    assert refused.code == 1
    assert f"leadloop keys revoke crm --ending {ending}" in refused.err
    assert fresh.json("keys", "revoke", "crm", "--ending", ending)["ending"] == ending
    assert fresh("keys", "create", "crm", "--scope", "score").code == 0


def test_an_unknown_scope_names_the_nearest(fresh: Shell):
    refused = fresh("keys", "create", "crm", "--scope", "scores")
    assert refused.code == 1
    assert "did you mean 'score'" in refused.err


def test_listening_to_others_needs_a_live_key(fresh: Shell):
    refused = fresh("serve", "--host", "0.0.0.0")
    assert (refused.code, "leadloop keys create NAME --scope score" in refused.err) == (1, True)
    with pytest.raises(ConfigError, match="loopback only"):
        serve_command(host="0.0.0.0", port=3000)
    assert "0.0.0.0" in serve_command(host="0.0.0.0", port=3000, has_key=True)
    fresh("keys", "create", "crm", "--scope", "score")
    fresh("keys", "revoke", "crm")
    assert fresh("serve", "--host", "0.0.0.0").code == 1
