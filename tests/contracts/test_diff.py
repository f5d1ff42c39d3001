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

TEAMS = [{"value": "ops"}, {"value": "law"}]

BASE = files_contract(
    "pages",
    schema=[
        {
            "name": "pages",
            "properties": [
                column("path", role="key", required=True, primaryKey=True),
                column("text", role="text", required=True, logicalTypeOptions={"minLength": 40, "maxLength": 900}),
                column("team", policy="scan-and-mask", classification="confidential", enum=TEAMS),
                column("stars", logicalType="integer", logicalTypeOptions={"minimum": 0, "maximum": 5}),
            ],
            "quality": [
                {"name": "enough", "metric": "rowCount", "mustBeGreaterOrEqualTo": 10, "severity": "error"},
                {
                    "name": "known_teams",
                    "metric": "invalidValues",
                    "arguments": {"validValues": ["ops", "law"]},
                    "mustBe": 0,
                },
            ],
        }
    ],
    customProperties=[
        {"property": "quarantineMaxPercent", "value": 10},
        {"property": "piiEntities", "value": ["EMAIL_ADDRESS", "PHONE_NUMBER"]},
    ],
    slaProperties=[
        {"property": "latency", "value": 48, "unit": "h"},
        {"property": "retention", "value": 30, "unit": "d"},
    ],
    support=[{"channel": "#docs"}],
    roles=[{"role": "reader"}],
)


def compare(folder: Path, edit: Edit, version: str = "1.0.0", *, told: bool = True) -> Difference:
    """BASE against BASE after one edit, with a line about `version` in the changelog if `told`."""
    old, new = folder / "old.odcs.yaml", folder / "new.odcs.yaml"
    edited = copy.deepcopy(BASE)
    edit(edited)
    if told:
        changelog = {"property": "changelog", "value": [f"{version}: for a reason"]}
        edited["customProperties"] = [*edited.get("customProperties", []), changelog]
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
    "a rule removed": (lambda c: c["schema"][0]["quality"].pop(0), "loosened", "quality.enough"),
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
    "chunks of another size": (
        lambda c: c["customProperties"].append({"property": "chunkTokens", "value": 120}),
        "other",
        "customProperties.chunkTokens",
    ),
    "another splitter": (
        lambda c: c["customProperties"].append({"property": "chunkSplitter", "value": "text"}),
        "other",
        "customProperties.chunkSplitter",
    ),
    "private data no longer masked": (
        lambda c: columns(c)[2]["customProperties"][0].update(value="allow"),
        "loosened",
        "schema.team.piiPolicy",
    ),
    "private data refused": (
        lambda c: columns(c)[2]["customProperties"][0].update(value="refuse"),
        "tightened",
        "schema.team.piiPolicy",
    ),
    "private data masked everywhere": (
        lambda c: c["customProperties"].append({"property": "piiPolicy", "value": "scan-and-mask"}),
        "tightened",
        "schema.text.piiPolicy",
    ),
    "private data not looked for": (
        lambda c: c["customProperties"][1].update(value=["EMAIL_ADDRESS"]),
        "loosened",
        "schema.team.piiEntities",
    ),
    "another key": (lambda c: columns(c)[3].update(primaryKey=True), "breaking", "schema"),
    "nobody to ask": (lambda c: c.pop("support"), "loosened", "support"),
    "one more role that may see it": (lambda c: c["roles"].append({"role": "intern"}), "loosened", "roles"),
    "data kept longer": (lambda c: c["slaProperties"][1].update(value=60), "loosened", "slaProperties.retention"),
    "data kept less long": (lambda c: c["slaProperties"][1].update(value=7), "tightened", "slaProperties.retention"),
    "a rule with another argument": (
        lambda c: c["schema"][0]["quality"][1].update(arguments={"validValues": ["ops", "law", "hr"]}),
        "loosened",
        "quality.known_teams",
    ),
    "an owner removed": (lambda c: c["team"].pop("members"), "loosened", "team"),
    "made by another asset": (
        lambda c: c["customProperties"].append({"property": "madeBy", "value": ["warehouse/articles"]}),
        "other",
        "customProperties.madeBy",
    ),
    "another path": (lambda c: c["servers"][0].update(path="elsewhere"), "other", "servers"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_found_and_weighed(tmp_path: Path, what: str) -> None:
    edit, kind, field = CHANGES[what]
    found = compare(tmp_path, edit)
    told = [(one.kind, one.field) for one in found.changes]
    assert (kind, field) in told
    assert {one.kind for one in found.changes} == {kind}, told
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


def test_a_loosened_promise_is_not_announced_without_a_line_in_the_changelog(tmp_path: Path) -> None:
    found = compare(tmp_path, lambda c: c.pop("slaProperties"), "1.1.0", told=False)
    assert not found.announced
    assert "a line about it in the contract's changelog" in found.demand
    assert '["1.1.0: what changed and why"]' in found.demand


def test_a_version_that_is_none_is_named(tmp_path: Path) -> None:
    found = compare(tmp_path, lambda c: c.pop("slaProperties"), "new")
    with pytest.raises(ContractError, match=r"write a contract's version as 1\.2\.3"):
        _ = found.announced


def test_another_way_to_cut_is_said_with_what_it_costs_and_needs_no_version(tmp_path: Path) -> None:
    found = compare(tmp_path, lambda c: c["customProperties"].append({"property": "chunkTokens", "value": 120}))
    [change] = found.changes
    assert change.message == "as the settings say became 120: all documents of the source are cut anew"
    assert (found.needs, found.announced) == ("nothing", True)


def test_the_bundled_contracts_do_not_differ_from_themselves() -> None:
    for file in sorted((PROJECT / "contracts").glob("*.odcs.yaml")):
        assert compare_files(file, file).changes == ()
