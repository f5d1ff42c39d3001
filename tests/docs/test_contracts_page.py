"""docs/contracts.md and the code say the same: every name the code knows stands there, and every example is valid."""

import copy
import re
from typing import Any

import pytest
import yaml

from rag_pipeline.connectors.placed import FORMATS
from rag_pipeline.connectors.registry import server_properties
from rag_pipeline.connectors.sql import DATABASES
from rag_pipeline.contracts.contract import HOURS, LOGICAL_TYPES, PII_POLICIES, ROLES
from rag_pipeline.contracts.entities import ENTITIES
from rag_pipeline.contracts.page import COLUMN_PROPERTIES, CONTRACT_PROPERTIES
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.contracts.read_columns import OPTIONS
from rag_pipeline.contracts.read_quality import METRICS
from rag_pipeline.contracts.read_terms import DEFAULT_ENTITIES
from rag_pipeline.contracts.rules import FORMATS as STRING_FORMATS
from rag_pipeline.settings import PROJECT
from tests.conftest import Workspace, files_contract

PAGE = (PROJECT / "docs/contracts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
BUNDLED = {
    path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((PROJECT / "contracts").glob("*.yaml"))
}


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example {number}" for number, _ in enumerate(EXAMPLES, 1)])
def test_every_example_is_a_part_of_a_valid_contract(workspace: Workspace, example: str) -> None:
    """Each replaces the fields it gives of a contract that is valid."""
    read_contract(workspace.contract("articles", files_contract("pages") | yaml.safe_load(example)))


@pytest.mark.parametrize(
    "name",
    [
        *CONTRACT_PROPERTIES,
        *COLUMN_PROPERTIES,
        *server_properties(),
        *ROLES,
        *LOGICAL_TYPES,
        *PII_POLICIES,
        *METRICS,
        *(argument for arguments in METRICS.values() for argument in arguments),
        *(option for options in OPTIONS.values() for option in options),
        *STRING_FORMATS,
        *FORMATS,
        *DATABASES,
    ],
)
def test_every_name_the_code_knows_is_on_the_page(name: str) -> None:
    assert re.search(rf"`(?:type: |format: )?{re.escape(name)}(?:: true)?`", PAGE), f"`{name}` is not in docs/contracts.md"


def test_every_custom_property_on_the_page_is_known() -> None:
    known = {*CONTRACT_PROPERTIES, *COLUMN_PROPERTIES, *server_properties()}
    assert set(re.findall(r"property: (\w+), value", PAGE)) - {"latency", "frequency", "retention"} <= known


def test_the_page_lists_what_can_be_looked_for_and_what_is_by_default() -> None:
    part = PAGE.split("<!-- entities -->")[1].split("<!-- /entities -->")[0]
    assert dict(re.findall(r"(?m)^\| `(\w+)` \| (.+) \|$", part)) == ENTITIES
    told = re.search(r"`piiEntities` left out: (.+?)\.", PAGE)
    assert told and tuple(re.findall(r"`(\w+)`", told[1])) == DEFAULT_ENTITIES


def test_every_unit_of_time_on_the_page_is_known() -> None:
    told = re.search(r"Units: (.+?)\.", PAGE)
    assert told and set(re.findall(r"`(\w+)`", told[1])) <= HOURS.keys()


def _fields(value: Any, found: set[str]) -> set[str]:
    if isinstance(value, dict):
        found.update(value)
        if "property" in value:
            found.add(str(value["property"]))
        for inner in value.values():
            _fields(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _fields(inner, found)
    return found


def test_the_bundled_contracts_use_every_row_of_the_mapping() -> None:
    rows = re.findall(r"(?m)^\| (.+?) \| .+ \|$", PAGE.split("## What becomes of each field")[1].split("\n## ")[0])[2:]
    used = set[str]()
    for content in copy.deepcopy(BUNDLED).values():
        _fields(content, used)
    assert len(rows) >= 12
    for row in rows:
        names = re.findall(r"`(\w+)`", row)
        alternatives = {"latency", "freshness", "error", "warning", "library", "severity", "piiRegions", "schema"}
        assert names
        missing = [name for name in names if name not in used and name not in alternatives | {"custom"}]
        assert not missing, f"no bundled contract uses {missing} of the row {row!r}"
    kinds = {rule.get("type", "library") for content in BUNDLED.values() for rule in content["schema"][0]["quality"]}
    assert {"library", "custom"} <= kinds
    assert {"latency", "freshness"} & used
