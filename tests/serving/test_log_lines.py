"""Log lines as JSON."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from serving.log_lines import JsonLines
from tests.serving.conftest import NOW, make_scorer
from tests.serving.running import promote, register, serving


def _line(message: str, *values: object, fault: BaseException | None = None) -> str:
    info = None if fault is None else (type(fault), fault, fault.__traceback__)
    record = logging.LogRecord("leadloop.serving", logging.WARNING, "a.py", 1, message, values, info)
    record.created = 1_780_000_000.25
    return JsonLines().format(record)


def test_a_line_is_one_object():
    line = _line('version %s "serves"\nnow', "7")
    assert "\n" not in line
    said = json.loads(line)
    assert said.pop("process") > 0
    assert said == {
        "time": "2026-05-28T20:26:40.250000Z",
        "level": "warning",
        "logger": "leadloop.serving",
        "message": 'version 7 "serves"\nnow',
    }


def test_a_fault_is_named_without_its_trace():
    try:
        raise ValueError("ada@example.com")
    except ValueError as fault:
        line = _line("it failed", fault=fault)
    assert json.loads(line)["fault"] == "ValueError"
    assert "ada@" not in line
    assert "Traceback" not in line


def test_a_service_writes_them(tmp_path: Path):
    promote(tmp_path, register(tmp_path, make_scorer(slope=0.1), now=NOW))
    with serving(tmp_path, LEADLOOP_LOG="json") as server:
        assert server.post("/v1/score", {"employees": 12}).status_code == 200
    told = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert "version 1 serves" in {said["message"] for said in told}
    assert all({"time", "level", "logger", "message", "process"} <= set(said) for said in told)
