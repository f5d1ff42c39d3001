"""The tests' own check of events finds what is wrong with one."""

import copy
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from openlineage.client.serde import Serde

from rag_pipeline.lineage.events import event_of
from rag_pipeline.lineage.facts import Assertion, Dataset, Event, Field, Name, Origin, Run
from tests.support.lineage_standard import held_to_the_standard


def whole() -> dict[str, Any]:
    """An event with every facet there is."""
    at, run = Name("pipeline", "handbook/documents"), str(uuid.uuid4())
    output = Dataset(at, (Field("text", "string"),), {"text": (Origin(at, "text"),)}, rows=3, version="v", empty={"text": 1})
    read = Dataset(at, rows=3, empty={"text": 1}, assertions=(Assertion("few", "rowCount", passed=True, severity="error"),))
    told = Run(at, run, Name("pipeline", "nightly_refresh"), run, "1.13")
    return Serde.to_dict(event_of(Event("FAIL", datetime.now(UTC), told, (read,), (output,), "KeyError")))


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a field nobody knows": lambda event: event["run"].update(more=1),
    "a run that is no UUID": lambda event: event["run"].update(runId="7"),
    "a time without a time": lambda event: event.update(eventTime="2026-11-29"),
    "a kind nobody knows": lambda event: event.update(eventType="ENDED"),
    "a dataset without a name": lambda event: event["outputs"][0].pop("name"),
    "a facet without its schema": lambda event: event["outputs"][0]["facets"]["schema"].pop("_schemaURL"),
    "a column that lacks its name": lambda event: event["outputs"][0]["facets"]["schema"]["fields"][0].pop("name"),
    "an assertion that lacks its result": lambda event: event["inputs"][0]["inputFacets"]["dataQualityAssertions"][
        "assertions"
    ][0].pop("success"),
    "an origin that lacks its field": lambda event: event["outputs"][0]["facets"]["columnLineage"]["fields"]["text"][
        "inputFields"
    ][0].pop("field"),
}


def test_a_whole_event_is_as_the_standard_has_it() -> None:
    held_to_the_standard(whole())


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_an_event_is_found(what: str) -> None:
    event = copy.deepcopy(whole())
    WRONG[what](event)
    with pytest.raises((AssertionError, TypeError, ValueError, KeyError)):
        held_to_the_standard(event)
