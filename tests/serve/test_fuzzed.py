"""Every operation of the OpenAPI, asked what its schema allows and what it forbids: answers are as described."""

from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from tests.conftest import Workspace
from tests.support.logged import LOGS
from tests.support.replicas import key_for, replica

CASES = 1_700
"""Of each operation that asks something, as often allowed as forbidden."""

PATHS = {
    "/v1/search",
    "/v1/answer",
    "/v1/chunks/{chunk_id}",
    "/v1/release",
    "/v1/feedback",
    "/v1/judge",
    "/healthz",
    "/readyz",
}

OTHER = {504: "/problems/deadline", 413: "/problems/too-large"}
"""What is right whatever a schema allows: a deadline of ten milliseconds may be asked for, and more bytes than are read."""

FAST: dict[str, Any] = {
    "RAG_SERVE_RATE": "900000/minute",
    "RAG_SERVE_RATE_TOTAL": "900000/minute",
    "RAG_SERVE_TIMEOUT_MS": "30000",
}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_request_that_the_openapi_allows_or_forbids_is_a_server_error(served_once: Workspace) -> None:
    key = key_for(served_once.home, "search", "mode", "channel:staging", "feedback", "judge")
    asked = 0
    with replica(served_once, **FAST, **LOGS) as running:
        schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
        operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
        assert {found.path for found in operations} == PATHS
        for operation in operations:
            nothing_to_say = operation.path in ("/healthz", "/readyz")
            for mode in [GenerationMode.POSITIVE] if nothing_to_say else [*GenerationMode]:

                @hypothesis.settings(
                    max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), database=None
                )
                @hypothesis.seed(7)
                @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
                def check(case: schemathesis.Case) -> None:
                    nonlocal asked
                    asked += 1
                    answer = case.call(headers={"Authorization": f"Bearer {key}"}, timeout=60)
                    if answer.status_code in OTHER:
                        assert answer.json()["type"] == OTHER[answer.status_code]
                    elif not only_names_what_no_release_has(answer):
                        case.validate_response(answer)

                check()
    assert asked >= 10 * CASES


def only_names_what_no_release_has(answer: Any) -> bool:
    """Sources and columns are a release's own: no schema can list them."""
    faults = answer.json().get("errors", []) if answer.status_code == 400 else []
    return faults != [] and all(one["pointer"].startswith(("/narrow/sources/", "/narrow/columns/")) for one in faults)
