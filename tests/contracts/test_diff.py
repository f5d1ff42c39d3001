import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag_pipeline.contracts.diff import Difference, compare_files
from rag_pipeline.errors import ContractError
from rag_pipeline.settings import PROJECT
from tests.conftest import column, files_contract

Edit = Callable[[dict[str, Any]], object]

BASE = files_contract(
    "pages",
    schema=[
        {
            "name": "pages",
            "properties": [
                column("path", role="key", required=True, primaryKey=True),
                column("text", role="text", required=True, logicalTypeOptions={"minLength": 40, "maxLength": 900}),
                column("team", classification="confidential", enum=[{"value": "ops"}, {"value": "law"}]),
                column("stars", logicalType="integer", logicalTypeOptions={"minimum": 0, "maximum": 5}),
            ],
            "quality": [{"name": "enough", "metric": "rowCount", "mustBeGreaterOrEqualTo": 10, "severity": "error"}],
        }
    ],
    customProperties=[{"property": "quarantineMaxPercent", "value": 10}],
)


def compare(folder: Path, edit: Edit, version: str = "1.0.0") -> Difference:
    """BASE against BASE after one edit."""
    old, new = folder / "old.odcs.yaml", folder / "new.odcs.yaml"
    edited = copy.deepcopy(BASE)
    edit(edited)
    old.write_text(yaml.safe_dump(BASE), encoding="utf-8")
    new.write_text(
        yaml.safe_dump({**edited, "version": edited["version"] if version == "1.0.0" else version}), encoding="utf-8"
    )
    return compare_files(old, new)


def columns(content: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = content["schema"][0]["properties"]
    return found


CHANGES: dict[str, tuple[Edit, str, str]] = {
    "a column removed": (lambda c: columns(c).pop(2), "breaking", "schema.team"),
    "a type changed": (lambda c: columns(c)[3].update(logicalType="number"), "breaking", "schema.stars.logicalType"),
    "another id": (lambda c: c.update(id="wiki"), "breaking", "id"),
    "a role moved": (lambda c: columns(c)[1].pop("customProperties"), "breaking", "schema.text.role"),
    "a column that may be missing now": (lambda c: columns(c)[1].update(required=False), "loosened", "schema.text.required"),
    "a shorter text": (
        lambda c: columns(c)[1]["logicalTypeOptions"].update(minLength=10),
        "loosened",
        "schema.text.minLength",
    ),
    "a longer text at least": (
        lambda c: columns(c)[1]["logicalTypeOptions"].update(minLength=60),
        "tightened",
        "schema.text.minLength",
    ),
    "a higher maximum": (
        lambda c: columns(c)[3]["logicalTypeOptions"].update(maximum=9),
        "loosened",
        "schema.stars.maximum",
    ),
    "a bound removed": (lambda c: columns(c)[3]["logicalTypeOptions"].pop("minimum"), "loosened", "schema.stars.minimum"),
    "a classification made public": (
        lambda c: columns(c)[2].update(classification="public"),
        "loosened",
        "schema.team.classification",
    ),
    "a classification made stricter": (
        lambda c: columns(c)[2].update(classification="restricted"),
        "tightened",
        "schema.team.classification",
    ),
    "one more value allowed": (lambda c: columns(c)[2]["enum"].append({"value": "hr"}), "loosened", "schema.team.enum"),
    "one value fewer allowed": (lambda c: columns(c)[2]["enum"].pop(), "tightened", "schema.team.enum"),
    "a rule removed": (lambda c: c["schema"][0].pop("quality"), "loosened", "quality.enough"),
    "a rule that only warns": (
        lambda c: c["schema"][0]["quality"][0].update(severity="warning"),
        "loosened",
        "quality.enough.severity",
    ),
    "a lower bound of a rule": (
        lambda c: c["schema"][0]["quality"][0].update(mustBeGreaterOrEqualTo=5),
        "loosened",
        "quality.enough",
    ),
    "an SLA stretched": (lambda c: c["slaProperties"][0].update(value=96), "loosened", "slaProperties.latency"),
    "an SLA stretched by its unit": (lambda c: c["slaProperties"][0].update(unit="d"), "loosened", "slaProperties.latency"),
    "an SLA shortened": (lambda c: c["slaProperties"][0].update(value=24), "tightened", "slaProperties.latency"),
    "an SLA removed": (lambda c: c.pop("slaProperties"), "loosened", "slaProperties.latency"),
    "more rows may be refused": (
        lambda c: c["customProperties"][0].update(value=50),
        "loosened",
        "customProperties.quarantineMaxPercent",
    ),
    "an owner removed": (lambda c: c["team"].pop("members"), "loosened", "team"),
    "another path": (lambda c: c["servers"][0].update(path="elsewhere"), "other", "servers"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_found_and_weighed(tmp_path: Path, what: str) -> None:
    edit, kind, field = CHANGES[what]
    found = compare(tmp_path, edit)
    assert (kind, field) in [(one.kind, one.field) for one in found.changes]
    assert {one.kind for one in found.changes} == {kind}
    assert found.announced is (kind in ("tightened", "other"))


def test_a_contract_that_did_not_change_has_no_changes(tmp_path: Path) -> None:
    assert compare(tmp_path, lambda _: None).changes == ()


@pytest.mark.parametrize(("version", "announced"), [("1.0.1", False), ("1.1.0", True), ("2.0.0", True)])
def test_a_loosened_promise_is_announced_by_a_new_minor_version(tmp_path: Path, version: str, announced: bool) -> None:
    found = compare(tmp_path, lambda c: c.pop("slaProperties"), version)
    assert (found.needs, found.announced) == ("minor", announced)


@pytest.mark.parametrize(("version", "announced"), [("1.1.0", False), ("2.0.0", True)])
def test_a_breaking_change_is_announced_by_a_new_major_version(tmp_path: Path, version: str, announced: bool) -> None:
    found = compare(tmp_path, lambda c: columns(c).pop(2), version)
    assert (found.needs, found.announced) == ("major", announced)


def test_a_version_that_is_none_is_named(tmp_path: Path) -> None:
    found = compare(tmp_path, lambda c: c.pop("slaProperties"), "new")
    with pytest.raises(ContractError, match=r"write a contract's version as 1\.2\.3"):
        _ = found.announced


def test_the_bundled_contracts_do_not_differ_from_themselves() -> None:
    for file in sorted((PROJECT / "contracts").glob("*.odcs.yaml")):
        assert compare_files(file, file).changes == ()
