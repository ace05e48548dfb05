"""What is read quickly is read as strictly as everything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving import json_body
from serving.json_body import parse_json
from serving.problems import Problem

_TEXTS = st.text(max_size=6) | st.sampled_from(['"', "\\", "a", "ä", "\x00", "\x7f", "9" * 25])
_NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True),
    st.sampled_from(["1e5", "-0", "-0.0", "1E400", "0.1e-400", "1" * 400, "0." + "1" * 30, "01", "1.", "NaN", "9007199254740993"]),
).map(lambda n: n if isinstance(n, str) else json.dumps(n))  # fmt: skip


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


_STRINGS = st.tuples(_TEXTS, st.booleans()).map(lambda t: json.dumps(t[0], ensure_ascii=t[1]))
# Written by hand, so that an object may have a key twice.
_JSON = st.recursive(
    st.sampled_from(["null", "true", "false"]) | _NUMBERS | _STRINGS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda values: "[" + ",".join(values) + "]")
        | st.lists(st.tuples(_STRINGS, inner), max_size=4).map(_object)
    ),
    max_leaves=12,
)


def _told(read, raw: bytes) -> str:
    """The value with its types, or the refusal."""
    try:
        return repr(read(raw))
    except Problem as problem:
        return problem.code


@given(_JSON, st.sampled_from(["{}", "{} ", "\ufeff{}", "{}]", "\n{}", "{}{}"]))
@example('{"a": "x", "a": "y"}', "{}")
@example('{"a": 1, "a": 2, "b": "\\u0022\\u0022"}', "{}")
@example("[" * 300 + "]" * 300, "{}")
@example("[" * 1010 + "]" * 1010, "{}")
@example("18446744073709551616", "{}")
def test_every_text_is_read_as_the_strict_reader_reads_it(text: str, around: str):
    raw = around.replace("{}", text).encode("utf-8", "surrogatepass")
    assert _told(parse_json, raw) == _told(json_body._of_any, raw)


@given(_JSON)
def test_bytes_changed_anywhere_are_read_as_the_strict_reader_reads_them(text: str):
    raw = text.encode()
    for place in range(0, len(raw), 3):
        for changed in (
            raw[:place] + raw[place + 1 :],
            raw[:place] + b'"' + raw[place:],
            raw[:place] + b"\xff",
        ):
            assert _told(parse_json, changed) == _told(json_body._of_any, changed)


@pytest.mark.parametrize("raw", [b'{"lead_id": "a", "touchpoints": [{"value": 1.5}]}', '"ä"'.encode(), b"12"])
def test_usual_bodies_are_read_quickly(raw: bytes):
    assert json_body._of_plain(raw) == json.loads(raw)
