"""Every message about a broken contract says which file, which line, which field and what to write instead."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag_pipeline.connectors.files.server import FilesServer
from rag_pipeline.connectors.table.server import TableServer
from rag_pipeline.contracts.contract import AS_THE_SETTINGS_SAY, Cut, QualityRule
from rag_pipeline.contracts.read import read_contract, read_contracts
from rag_pipeline.errors import ContractError
from rag_pipeline.settings import PROJECT
from tests.conftest import Workspace, column, files_contract, table_contract
from tests.support.broken_contracts import BROKEN_FIELDS
from tests.support.broken_rules import BROKEN_RULES
from tests.support.broken_servers import BROKEN_SERVERS
from tests.support.contract_pages import (
    csv_table,
    custom,
    promise,
    prop,
    with_column,
    with_quality,
)
from tests.support.feeds import given, server_of

BUNDLED = sorted((PROJECT / "contracts").glob("*.odcs.yaml"))


BROKEN = BROKEN_FIELDS | BROKEN_SERVERS | BROKEN_RULES


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_contract_is_refused_with_line_field_and_hint(workspace: Workspace, what: str) -> None:
    content, line_holds, field, hint = BROKEN[what]
    file = workspace.contract("handbook", content)
    with pytest.raises(ContractError) as caught:
        read_contract(file)
    message = str(caught.value)
    found = re.match(rf"{re.escape(str(file))}:(\d+): (.+)", message)
    assert found, message
    assert line_holds in file.read_text(encoding="utf-8").splitlines()[int(found[1]) - 1]
    assert field in found[2]
    assert hint in found[2]
    assert len(message.splitlines()) == 1, "one mistake, one message"


def test_two_mistakes_are_told_together(workspace: Workspace) -> None:
    file = workspace.contract("handbook", files_contract("p", versoin="1", kind="Data"))
    with pytest.raises(ContractError) as caught:
        read_contract(file)
    assert "did you mean 'version'?" in str(caught.value)
    assert "unknown value 'Data'" in str(caught.value)


def test_an_operator_that_is_misspelt_is_told_how_it_is_spelt(workspace: Workspace) -> None:
    file = workspace.contract("handbook", with_quality(metric="nullValues", mustBeLesThan=1))
    with pytest.raises(ContractError, match=r":37: .*quality\[0\]\.mustBeLesThan: .*did you mean 'mustBeLessThan'\?"):
        read_contract(file)


def test_a_team_that_is_no_mapping_is_refused(workspace: Workspace) -> None:
    file = workspace.contract("handbook", files_contract("p", team="docs"))
    with pytest.raises(ContractError, match=r":8: team: 'docs' is not a mapping of fields; write it as"):
        read_contract(file)


@pytest.mark.parametrize(
    ("content", "line", "hint"),
    [
        (b"", "", "the file is empty"),
        (b"# only a comment\n", "", "the file is empty"),
        (b"id: caf\xe9\n", "", "not UTF-8 (byte 7); save it as UTF-8"),
        (b"id: [a\nkind: b\n", ":2", "not valid YAML"),
        (b"id: \x01\n", "", "not valid YAML"),
        (b"- a\n- b\n", "", "a contract is a mapping of fields"),
        (b"id: a\nkind: b\nid: c\n", ":3", "field 'id' is given twice; keep one"),
        (b"id: a\nteam:\n  name: a\n  name: b\n", ":4", "field 'name' is given twice; keep one"),
        (b"id: a\n---\nid: b\n", ":2", "not valid YAML"),
        (b"kind: a\nid: !secret a\n", ":2", "not plain YAML"),
        (b"kind: a\n? [a, b]\n: c\n", ":2", "not plain YAML"),
        (b"team: &a [*a]\n", ":1", "an alias in this file holds itself"),
        (b"version: 0x_\n", "", "put it in quotes"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(tmp_path: Path, content: bytes, line: str, hint: str) -> None:
    file = tmp_path / "handbook.odcs.yaml"
    file.write_bytes(content)
    with pytest.raises(ContractError, match=re.escape(f"{file}{line}: ") + ".*" + re.escape(hint)):
        read_contract(file)


def test_a_contract_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "handbook.odcs.yaml"
    folder.mkdir()
    with pytest.raises(ContractError, match=r"handbook\.odcs\.yaml: cannot be read \(Is a directory\)"):
        read_contract(folder)


def test_how_a_source_is_cut_is_read_and_changes_no_fingerprint(workspace: Workspace) -> None:
    """The rows are the same however they are cut, so nothing is read again from the feed."""
    plain = read_contract(workspace.contract("handbook", files_contract("pages")))
    said = [prop("chunkTokens", 120), prop("chunkMinTokens", 0), prop("chunkSplitter", "markdown")]
    cut = read_contract(workspace.contract("handbook", files_contract("pages", customProperties=said)))
    assert (plain.cut, cut.cut) == (AS_THE_SETTINGS_SAY, Cut(120, 0, "markdown"))
    assert cut.fingerprint == plain.fingerprint
    text = read_contract(workspace.contract("handbook", custom("chunkSplitter", "text")))
    assert text.cut == Cut(splitter="text") and text.cut.where.endswith("customProperties[0]")


@pytest.mark.parametrize("name", ["Handbook", "hb", "2handbook", "hand-book", "h" * 64])
def test_a_file_whose_name_is_no_source_name_is_refused(workspace: Workspace, name: str) -> None:
    file = workspace.contract(name, files_contract("pages"))
    with pytest.raises(ContractError, match="3 to 63 lower-case letters, digits and underscores"):
        read_contract(file)


def test_a_folder_that_is_missing_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no such folder; RAG_CONTRACTS must name a folder"):
        read_contracts(tmp_path / "absent")


def test_a_folder_without_a_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="add a contract"):
        read_contracts(tmp_path)


@pytest.mark.parametrize("name", ["handbook.yaml", "handbook.yml", "handbook.odcs.yml"])
def test_a_file_with_another_ending_is_not_passed_over(workspace: Workspace, name: str) -> None:
    file = workspace.contract("pages", files_contract("pages"))
    file.with_name(name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ContractError, match=rf"{re.escape(name)}: .*<source>\.odcs\.yaml; rename it"):
        read_contracts(file.parent)


def test_contracts_are_read_by_source_name(workspace: Workspace) -> None:
    for source in ("zebra", "aardvark"):
        workspace.contract(source, files_contract("pages"))
    contracts = read_contracts(workspace.settings.contracts)
    assert [contract.source for contract in contracts] == ["aardvark", "zebra"]


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: file.name)
def test_every_bundled_contract_is_valid(file: Path) -> None:
    contract = read_contract(file)
    assert contract.owners
    assert contract.max_age_hours == 48
    assert contract.quality
    assert contract.description


def test_the_folder_of_bundled_contracts_is_not_empty() -> None:
    assert len(BUNDLED) >= 3
    assert len(read_contracts(PROJECT / "contracts")) == len(BUNDLED)


def test_what_a_contract_says_is_what_is_read(workspace: Workspace) -> None:
    content = table_contract(
        "rows.jsonl",
        "jsonl",
        column("stars", logicalType="integer", logicalTypeOptions={"minimum": 1}, enum=[{"value": 1}, {"value": 2}]),
        team={"name": "Search & Docs", "members": [{"username": "ada@example.com"}, {"username": "bob"}]},
        slaProperties=[{"property": "latency", "value": 2, "unit": "d"}],
        customProperties=[{"property": "volumeMaxDropPercent", "value": 25}, {"property": "cost-centre", "value": 7}],
    )
    contract = read_contract(workspace.contract("reviews", content))
    assert contract.source == "reviews"
    assert contract.owners == ("team:search_docs", "ada@example.com")
    assert contract.max_age_hours == 48
    assert (contract.quarantine_max_percent, contract.volume_max_drop_percent) == (10, 25)
    assert server_of(contract, TableServer).path == workspace.root / "contracts" / "rows.jsonl"
    stars = contract.metadata_columns[0]
    assert (stars.name, stars.logical_type, stars.required) == ("stars", "integer", False)
    assert (stars.options, stars.allowed) == ({"minimum": 1}, (1, 2))
    key = given(contract, "key")
    assert (key.name, key.required) == ("id", True)
    assert contract.column("title") is None


@pytest.mark.parametrize(("unit", "hours"), [("h", 6), ("d", 144), ("days", 144), ("min", 0.1), ("s", 6 / 3600)])
def test_a_promise_is_kept_in_hours(workspace: Workspace, unit: str, hours: float) -> None:
    contract = read_contract(workspace.contract("pages", promise(property="latency", value=6, unit=unit)))
    assert contract.max_age_hours == pytest.approx(hours)


def test_a_contract_without_a_promise_has_no_age_limit(workspace: Workspace) -> None:
    contract = read_contract(workspace.contract("pages", files_contract("pages", slaProperties=[])))
    assert contract.max_age_hours is None


def test_a_quality_rule_for_people_is_not_measured(workspace: Workspace) -> None:
    rule = {"type": "text", "description": "Prices look plausible."}
    assert read_contract(workspace.contract("pages", with_column(quality=[rule]))).quality == ()


@pytest.mark.parametrize(
    ("operator", "bound", "inside", "outside"),
    [
        ("mustBe", 5.0, [5], [4, 6]),
        ("mustNotBe", 5.0, [4, 6], [5]),
        ("mustBeGreaterThan", 5.0, [5.1], [5]),
        ("mustBeGreaterOrEqualTo", 5.0, [5, 6], [4.9]),
        ("mustBeLessThan", 5.0, [4.9], [5]),
        ("mustBeLessOrEqualTo", 5.0, [5, 4], [5.1]),
        ("mustBeBetween", [5, 7], [5, 6, 7], [4.9, 7.1]),
        ("mustNotBeBetween", [5, 7], [4.9, 7.1], [5, 6, 7]),
    ],
)
def test_every_operator_holds_on_its_side_of_the_bound(
    workspace: Workspace, operator: str, bound: Any, inside: list[float], outside: list[float]
) -> None:
    content = with_quality(metric="nullValues", **{operator: bound})
    (rule,) = read_contract(workspace.contract("pages", content)).quality
    assert isinstance(rule, QualityRule)
    assert [rule.holds(value) for value in inside] == [True] * len(inside)
    assert [rule.holds(value) for value in outside] == [False] * len(outside)


def _loosen(content: dict[str, Any]) -> None:
    content["schema"][0]["properties"][2]["logicalTypeOptions"]["minimum"] = 0


def _retype(content: dict[str, Any]) -> None:
    content["schema"][0]["properties"][2] = column("stars", logicalType="number", logicalTypeOptions={"minimum": 1})


def _reformat(content: dict[str, Any]) -> None:
    content["servers"][0]["format"] = "csv"


@pytest.mark.parametrize("change", [_loosen, _retype, _reformat])
def test_the_fingerprint_changes_with_what_decides_which_rows_are_good(
    workspace: Workspace, change: Callable[[dict[str, Any]], None]
) -> None:
    content = with_column(logicalType="integer", logicalTypeOptions={"minimum": 1})
    before = read_contract(workspace.contract("rows", content)).fingerprint
    changed = copy.deepcopy(content)
    change(changed)
    assert read_contract(workspace.contract("rows", changed)).fingerprint != before


def test_the_fingerprint_does_not_change_with_words(workspace: Workspace) -> None:
    content = with_column(logicalType="integer")
    before = read_contract(workspace.contract("rows", content)).fingerprint
    content["description"] = {"purpose": "Other words."}
    content["team"]["name"] = "others"
    assert read_contract(workspace.contract("rows", content)).fingerprint == before


def test_a_date_in_a_contract_stays_text(workspace: Workspace) -> None:
    content = with_column(logicalType="date", logicalTypeOptions={"minimum": "2024-01-31"})
    file = workspace.contract("rows", content)
    file.write_text(yaml.safe_dump(content).replace("'2024-01-31'", "2024-01-31"), encoding="utf-8")
    assert "minimum: 2024-01-31" in file.read_text(encoding="utf-8")
    assert read_contract(file).metadata_columns[0].options == {"minimum": "2024-01-31"}


@pytest.mark.parametrize("name", ["corpus", "evals", "index"])
def test_a_source_cannot_be_called_like_another_group_of_the_graph(workspace: Workspace, name: str) -> None:
    path = workspace.contract(name, files_contract(workspace.root))
    with pytest.raises(ContractError, match="name of another group"):
        read_contract(path)


def test_wildcards_in_the_path_choose_among_the_files(workspace: Workspace) -> None:
    contract = read_contract(workspace.contract("pages", files_contract("../pages/**/*.md")))
    pages = server_of(contract, FilesServer)
    assert (pages.path, pages.pattern) == (workspace.root / "pages", "**/*.md")
    contract = read_contract(workspace.contract("rows", table_contract("../rows/*.jsonl", "jsonl")))
    rows = server_of(contract, TableServer)
    assert (rows.path, rows.pattern) == (workspace.root / "rows" / "*.jsonl", None)


@pytest.mark.parametrize(("written", "delimiter"), [("tab", "\t"), ("\\t", "\t"), ("\t", "\t"), (";", ";"), ("Pipe", "|")])
def test_a_delimiter_is_a_character_or_its_name(workspace: Workspace, written: str, delimiter: str) -> None:
    told = csv_table(delimiter=written)
    server = server_of(read_contract(workspace.contract("table", told)), TableServer)
    assert server.dialect.delimiter == delimiter


def test_another_delimiter_makes_rows_be_judged_again_and_the_usual_one_does_not(workspace: Workspace) -> None:
    plain, comma, semicolon = (
        read_contract(workspace.contract("table", contract)).fingerprint
        for contract in (csv_table(), csv_table(delimiter=","), csv_table(delimiter=";"))
    )
    assert plain == comma != semicolon


def test_a_team_as_a_list_is_read_as_before(workspace: Workspace) -> None:
    old = files_contract("p", team=[{"username": "ana@example.com", "role": "owner"}, {"username": "bob", "role": "reader"}])
    assert read_contract(workspace.contract("handbook", old)).owners == ("ana@example.com",)
