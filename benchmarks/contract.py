"""Whether the API keeps what its documents say, tried with thousands of invented requests.

Schemathesis invents messages that agree with a document and messages that break it, and every answer is checked: no server error, only
statuses, types, headers and members that the document names, no success for a message that breaks it, no refusal of one that agrees. Then
chains of calls, where one answer feeds the next.

Two things no schema can say, so they are stated here: which refusals a message of the right shape may meet (``UNTELLABLE``), and what is
taken beyond the schema (``is_taken_anyway``). All of it twice: where there are no keys yet, and with a key.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from openapi_schema_validator import OAS30Validator
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from data.store import open_store

ADDRESSES = ("/openapi-3.0.json", "/openapi-2.0.json")
# What may be wrong with a message of the right shape: what it means, characters that are no text, and numbers from 1e300 on (a bound that
# importers with decimal numbers could not read).
UNTELLABLE = frozenset(
    {
        "no_information", "in_the_future", "unknown_lead", "not_scored", "missing_field", "not_found", "suppressed", "erased",
    }
)  # fmt: skip
_ODD_VALUES = (
    "cannot be printed",
    "not text",
    "must be a non-empty text",
    "outside the years",
    "finite number",
)
_IDS = ("lead_id", "anonymous_id", "touchpoint_id", "outcome_id", "undoes", "link_id", "from_id")
_LISTS = {
    "/v1/leads": "leads",
    "/v1/touchpoints": "touchpoints",
    "/v1/outcomes": "outcomes",
    "/v1/links": "links",
}
_SWITCHES = frozenset({"0", "1", "true", "false", "yes", "no", "on", "off", "t", "f", "y", "n"})
_STEPS = 6


@dataclass
class Tally:
    """What was found: cases by call and status, and the failures, each kind once with its first case."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    server_errors: int = 0
    violations: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())

    def count(self, case: Case, response: Response) -> None:
        """One more answer."""
        self.statuses[case.operation.label, response.status_code] += 1
        self.server_errors += response.status_code >= 500

    def note(self, case: Case, failures: FailureGroup) -> None:
        """What was wrong with it."""
        for failure in failures.exceptions:
            kind = f"{case.operation.label}: {getattr(failure, 'title', type(failure).__name__)}"
            self.violations.setdefault(kind, f"{failures.message[:1500]}\n{case.as_curl_command()[:1500]}")


def _called(app: Any, key: str | None) -> Any:
    """The application as a program elsewhere calls it with a key, or one on its own machine without."""
    host = "127.0.0.1" if key is None else "192.0.2.7"
    known = [] if key is None else [(b"x-api-key", key.encode())]

    async def called(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "client": (host, 0), "headers": [*scope["headers"], *known]}
        await app(scope, receive, send)

    return called


def try_document(app: Any, address: str, *, cases: int, number: int, key: str | None = None) -> Tally:
    """About ``cases`` requests against one document of the application: half agree with it, a quarter break it, a quarter come in chains.

    Parameters
    ----------
    app : the ASGI application.
    address : where it serves the document.
    number : seed of the invention.
    key : sent with every request; without one they come from the application's own machine.
    """
    app = _called(app, key)
    schema = schemathesis.openapi.from_asgi(address, app)
    schemathesis.openapi.format("date-time", _times())
    checks = checks_for(schemathesis.openapi.from_asgi(ADDRESSES[0], app).raw_schema)
    tally = Tally()

    def own_key(case: Case) -> None:
        # Invented Idempotency-Keys come again with another request, which is refused as it should be.
        if "Idempotency-Key" in (case.headers or {}):
            case.headers["Idempotency-Key"] = f"case-{tally.cases}"

    def tried(case: Case) -> None:
        own_key(case)
        response = case.call()
        tally.count(case, response)
        try:
            case.validate_response(response, checks=checks)
        except FailureGroup as failures:
            tally.note(case, failures)

    for share, mode in ((2, GenerationMode.POSITIVE), (4, GenerationMode.NEGATIVE)):
        run = given(case=schema.as_strategy(generation_mode=mode))(tried)
        seed(number)(_calm(cases // share)(run))()

    class Chains(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Case) -> None:
            own_key(case)

        def validate_response(self, response: Response, case: Case, **options: Any) -> None:
            tally.count(case, response)
            try:
                case.validate_response(response, checks=checks)
            except FailureGroup as failures:
                tally.note(case, failures)

    chains = max(1, cases // 4 // _STEPS)
    seed(number)(Chains)
    run_state_machine_as_test(Chains, settings=settings(_calm(chains), stateful_step_count=_STEPS))
    return tally


def checks_for(document: Mapping[str, Any]) -> list[Any]:
    """The checks of one answer; ``document`` is the 3.0 one, whose schemas tell whether a message agrees."""

    def refused_when_wrong(ctx: CheckContext, response: Response, case: Case) -> bool | None:
        try:
            return negative_data_rejection(ctx, response, case)
        except AcceptedNegativeData:
            if is_taken_anyway(case, document):
                return None
            raise

    def taken_when_right(ctx: CheckContext, response: Response, case: Case) -> bool | None:
        try:
            return positive_data_acceptance(ctx, response, case)
        except RejectedPositiveData:
            said = response.json()
            is_odd = said.get("code") == "invalid" and any(odd in said["message"] for odd in _ODD_VALUES)
            if is_odd or said.get("code") in UNTELLABLE:
                return None
            raise

    def typed(ctx: CheckContext, response: Response, case: Case) -> bool | None:
        # Nothing has no type (RFC 9110, 8.3), but OpenAPI 2.0 names types for an operation as a whole, so for its 304 too.
        if response.status_code == 304 and not response.content:
            return None
        return content_type_conformance(ctx, response, case)

    return [
        not_a_server_error,
        status_code_conformance,
        typed,
        response_headers_conformance,
        response_schema_conformance,
        refused_when_wrong,
        taken_when_right,
    ]


def is_taken_anyway(case: Case, document: Mapping[str, Any]) -> bool:
    """Whether a request that breaks the document is one the service takes on purpose.

    Whole numbers count as ids; a list of messages, or an object that holds one, is taken where a message is; ``lenient`` ignores unknown
    fields; times may be written in other ways of ISO 8601; own fields need not be listed and may be of any plain type; ids and texts are
    trimmed before they are measured; what other headers and parameters say is not looked at.
    """
    query = {name: str(value).lower() for name, value in (case.query or {}).items()}
    if any(query.get(name, "0") not in _SWITCHES for name in ("reasons", "lenient")):
        return False
    operation = document["paths"][case.operation.path][case.operation.method.lower()]
    if "requestBody" not in operation:
        return True
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    validator = OAS30Validator({**schema, "components": document["components"]})
    is_lenient = query.get("lenient", "0") in ("1", "true", "yes", "on", "t", "y")
    name = _LISTS.get(case.operation.path)
    body = case.body
    if isinstance(body, dict) and name and set(body) == {name} and isinstance(body[name], list):
        body = body[name]
    items = body if isinstance(body, list) and name else [body]
    if case.operation.path == "/v1/score/bulk":
        # Each item is judged by itself, and what is wrong with it stands in the answer in its place.
        leads = body.get("leads") if isinstance(body, dict) else body
        return isinstance(leads, list) and 1 <= len(leads) <= 10_000
    return bool(items) and all(
        validator.is_valid(_as_read(item, validator, is_lenient=is_lenient)) for item in items
    )


def _as_read(value: Any, validator: Any, *, is_lenient: bool) -> Any:
    if isinstance(value, list):
        return [_as_read(item, validator, is_lenient=is_lenient) for item in value]
    if not isinstance(value, dict):
        return value.strip() or None if isinstance(value, str) else value
    read = {}
    for name, item in value.items():
        if name.startswith("x_") or (is_lenient and not _is_known(name, validator)):
            continue
        is_number = isinstance(item, int) and not isinstance(item, bool)
        read[name] = (
            str(item) if name in _IDS and is_number else _as_read(item, validator, is_lenient=is_lenient)
        )
    return read


def _is_known(name: str, validator: Any) -> bool:
    schemas = validator.schema["components"]["schemas"]
    return any(name in schemas[title]["properties"] for title in ("ScoreMessage", "TouchpointOfLead"))


def _times() -> st.SearchStrategy[str]:
    """Times the service can have seen, with a zone; a few to come."""
    past = st.datetimes(min_value=datetime(2025, 1, 1), max_value=datetime(2026, 3, 8))  # noqa: DTZ001
    whole = st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2199, 12, 30))  # noqa: DTZ001
    return st.one_of(past, past, past, whole).map(lambda t: t.replace(tzinfo=UTC).isoformat())


def _calm(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def make_key(store_url: str) -> str:
    """A key for everything, in a store that no service has opened yet."""
    with closing(open_store(store_url)) as store:
        secret, _ = store.keys.create("contract", ["admin"], now=0)
    return secret


def main() -> None:
    """Print what was found for people, and one JSON line."""
    from tests.serving.conftest import make_service, stop_service

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5_000, help="requests against each document, about")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    figures = {"cases": 0, "server_errors": 0, "violations": 0}
    for address, has_key in itertools.product(ADDRESSES, (False, True)):
        with tempfile.TemporaryDirectory() as folder:
            key = make_key(f"sqlite:///{folder}/store.db") if has_key else None
            service = make_service(Path(folder))
            tally = try_document(service.app, address, cases=chosen.cases, number=chosen.seed, key=key)
            stop_service(service)
        print(f"{address}, {'with' if has_key else 'without'} key: {tally.cases:,} requests")
        for (call, status), n in sorted(tally.statuses.items()):
            print(f"  {call:45} {status}  {n:6,}")
        for kind, first in tally.violations.items():
            print(f"  VIOLATION {kind}\n{first}\n")
        figures["cases"] += tally.cases
        figures["server_errors"] += tally.server_errors
        figures["violations"] += len(tally.violations)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
