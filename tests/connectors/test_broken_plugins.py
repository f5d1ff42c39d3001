"""A connector from another package that does not work: it is named with its cause, and nothing else stands still."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.connectors import Address
from rag_pipeline.connectors.registry import BUILT_IN, broken_plugins
from rag_pipeline.connectors.web import WebServer
from rag_pipeline.contracts.connect import connect
from rag_pipeline.contracts.read import read_contract, read_contracts
from rag_pipeline.drafting.trial import try_contract
from rag_pipeline.drafting.where import feed_at
from rag_pipeline.errors import PipelineError
from rag_pipeline.ingest.load import load_source
from tests.conftest import Workspace, files_contract, table_contract
from tests.support.command_line import rag
from tests.support.installed_packages import Site

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PRIVATE = "ada.lovelace@example.com"

SOUND = """
from dataclasses import dataclass
from rag_pipeline.connectors import Connector, Item, Kind, Server

@dataclass(frozen=True, slots=True)
class ListServer(Server):
    says = "a list"
    def connect(self, context):
        return List()

class List(Connector):
    reads = 1
    def items(self, known):
        yield Item("1", "1")
    def read(self, item):
        yield {"id": item.key, "text": "An owl hunts at night."}

def read(entry):
    return ListServer()

KIND = Kind(name="lists", api=1, read=read, schemes=("lists",), find=lambda address: None)
"""
"""A connector that works; each test below breaks one thing of it."""


def broken(old: str, new: str) -> str:
    assert old in SOUND
    return SOUND.replace(old, new)


CANNOT_BE_USED = {
    "it cannot be imported": (
        {"rag_lists": "import nothing_of_this_name"},
        "ModuleNotFoundError: No module named 'nothing_of",
    ),
    "it ends the process when it is imported": ({"rag_lists": "raise SystemExit('not here')"}, "SystemExit: not here"),
    "it has no such kind": ({"rag_lists": "OTHER = 1"}, "AttributeError: module 'rag_lists' has no attribute 'KIND'"),
    "it hands over something else": ({"rag_lists": "KIND = print"}, "is a builtin_function_or_method, not a Kind"),
    "it was made for a later version": (
        {"rag_lists": broken("api=1", "api=2")},
        "it was made for version 2 of the interface for connectors, and this is version 1",
    ),
    "it was made for a version that asks more": ({"rag_lists": broken("api=1", "api=2, streams=True")}, "TypeError: "),
    "its names differ": ({"rag_lists": broken('"lists", api', '"list", api')}, "is called 'lists' and its kind 'list'"),
    "it cannot read the entry": ({"rag_lists": broken("return ListServer()", "return entry.fields['nothing']")}, "KeyError"),
    "it reads something else": (
        {"rag_lists": broken("return ListServer()", "return {}")},
        "returned a dict and not a Server",
    ),
    "its server lacks what every server has": ({"rag_lists": broken('says = "a list"', "pass")}, "abstract"),
    "its server is not plain": (
        {"rag_lists": broken('says = "a list"', 'says = "a list"; judged = {1, 2}')},
        "TypeError: Object of type set is not JSON serializable",
    ),
}


def lists(workspace: Workspace) -> Path:
    server = {"server": "here", "type": "custom", "customProperties": [{"property": "connector", "value": "lists"}]}
    return workspace.contract("lists", table_contract("x", "jsonl") | {"servers": [server]})


@pytest.mark.parametrize("name", CANNOT_BE_USED)
def test_a_contract_that_names_it_says_package_and_cause_and_other_sources_go_on(
    workspace: Workspace, site: Site, name: str
) -> None:
    modules, cause = CANNOT_BE_USED[name]
    site.install("rag-lists", modules, {"lists": "rag_lists:KIND"}, version="3.1")
    path = lists(workspace)
    workspace.contract("handbook", files_contract(workspace.pages({"a.md": "# A\n\nOwls hunt at night.\n"})))
    handbook, contract = read_contracts(workspace.settings.contracts)
    problem = contract.server.problem
    assert "the connector 'lists' of the package rag-lists 3.1 cannot be used: " in problem
    assert cause in problem
    assert problem.startswith(f"{path}:") and "servers[0].customProperties[0]: " in problem
    report = load_source(contract, workspace.home, run_id="one", now=NOW)
    assert (report.outcome, report.reason) == ("held", problem)
    assert try_contract(contract).problems == (problem,)
    assert load_source(handbook, workspace.home, run_id="one", now=NOW).outcome == "accepted"


WRONG_AT_WORK = {
    "it cannot be opened": (broken("return List()", "return List(1)"), "failed (TypeError at rag_lists.py:"),
    "its reader has no version": (broken("reads = 1", ""), "has a reader without a version (`reads`, a whole number)"),
    "the listing fails": (
        broken('yield Item("1", "1")', f'raise KeyError("{PRIVATE}")'),
        "failed (KeyError at rag_lists.py:",
    ),
    "it lists text": (broken('yield Item("1", "1")', 'yield "1"'), "lists something that is not an Item"),
    "its keys are numbers": (
        broken('Item("1", "1")', 'Item(1, "1")'),
        "lists something that is not an Item with text as key and version",
    ),
    "a key is empty": (broken('Item("1", "1")', 'Item("", "1")'), "lists an item without a key"),
    "a key comes twice": (broken("yield Item", 'yield Item("1", "2"); yield Item'), "lists two items with the same key"),
    "the reading fails": (
        broken("yield {", f'raise ValueError("{PRIVATE}"); yield {{'),
        "failed (ValueError at rag_lists.py:",
    ),
    "the network is away when it lists": (
        broken('yield Item("1", "1")', f'raise ConnectionError("{PRIVATE}")'),
        "cannot reach or read its feed (ConnectionError)",
    ),
    "the disk is away when it reads": (
        broken("yield {", f'raise OSError(5, "{PRIVATE}", "{PRIVATE}"); yield {{'),
        "cannot reach or read its feed (Input/output error)",
    ),
    "a row is a list": (broken('yield {"id"', 'yield [1]; yield {"id"'), "returns something that is not a row"),
    "a name is a number": (broken('"text":', "5:"), "returns something that is not a row: a dict whose names are text"),
}


@pytest.mark.parametrize("name", WRONG_AT_WORK)
def test_a_mistake_at_work_holds_its_source_and_tells_nothing_private(workspace: Workspace, site: Site, name: str) -> None:
    source, words = WRONG_AT_WORK[name]
    site.install("rag-lists", {"rag_lists": source}, {"lists": "rag_lists:KIND"})
    contract = read_contract(lists(workspace))
    assert not contract.server.problem
    report = load_source(contract, workspace.home, run_id="one", now=NOW)
    assert report.held
    assert "the connector 'lists' of the package rag-lists 1.0 " in report.reason
    assert words in report.reason
    (problem,) = try_contract(contract, everything=True).problems
    assert words in problem
    assert any(words in one for one in try_contract(contract).problems)
    assert PRIVATE not in report.reason + problem


def test_the_same_connector_unbroken_is_read(workspace: Workspace, site: Site) -> None:
    site.install("rag-lists", {"rag_lists": SOUND}, {"lists": "rag_lists:KIND"})
    contract = read_contract(lists(workspace))
    assert (contract.server.problem, contract.server.judged) == ("", ["lists", {}])
    report = load_source(contract, workspace.home, run_id="one", now=NOW)
    assert (report.outcome, report.added) == ("accepted", ("table/1",) if contract.source == "table" else ("lists/1",))
    assert try_contract(contract).fits
    assert [item.key for item in connect(contract).items(lambda _: None)] == ["1"]


def test_a_name_the_library_has_is_the_librarys(workspace: Workspace, site: Site) -> None:
    site.install("rag-web", {"rag_web": "raise RuntimeError"}, {kind.name: "rag_web:KIND" for kind in BUILT_IN})
    own = [{"property": "connector", "value": "web"}]
    server = {"server": "s", "type": "custom", "location": "https://example.org/map.xml", "customProperties": own}
    contract = read_contract(workspace.contract("pages", files_contract("", servers=[server])))
    assert isinstance(contract.server, WebServer)
    assert {one.name for one in broken_plugins()} == {kind.name for kind in BUILT_IN}
    for one in broken_plugins():
        assert one.problem.startswith(
            f"the connector {one.name!r} of the package rag-web 1.0 cannot be used: the library has"
        )


def test_of_two_packages_with_one_name_none_is_used(workspace: Workspace, site: Site) -> None:
    site.install("rag-lists", {"rag_lists": SOUND}, {"lists": "rag_lists:KIND"})
    site.install("more-lists", {"more_lists": SOUND}, {"lists": "more_lists:KIND"}, version="2.0")
    problem = read_contract(lists(workspace)).server.problem
    assert "rag-lists 1.0" in problem and "more-lists 2.0" in problem
    assert "uninstall all but one" in problem


def test_a_package_that_is_not_installed_any_more_holds_its_source(workspace: Workspace, site: Site) -> None:
    """Whatever the type of the server says: its files are not taken for those of another kind."""
    own = [{"property": "connector", "value": "lists"}, {"property": "tables", "value": ["a"]}]
    server = {"server": "here", "type": "local", "format": "documents", "path": ".", "customProperties": own}
    contract = read_contract(workspace.contract("lists", table_contract("x", "jsonl") | {"servers": [server]}))
    assert "unknown connector 'lists'; known: files, table, sql, web, " in contract.server.problem
    assert load_source(contract, workspace.home, run_id="one", now=NOW).held


def test_a_draft_names_the_package_of_its_scheme(site: Site, tmp_path: Path) -> None:
    site.install("rag-lists", {"rag_lists": "import nothing_of_this_name"}, {"lists": "rag_lists:KIND"})
    with pytest.raises(PipelineError, match=r"'lists' of the package rag-lists 1\.0 cannot be used: ModuleNotFoundError"):
        feed_at(Address(("lists://x",), tmp_path))
    assert feed_at(Address((str(tmp_path),), tmp_path)).rows == "documents"


def test_a_draft_says_whose_mistake_it_is(site: Site, tmp_path: Path) -> None:
    site.install("rag-lists", {"rag_lists": broken("address: None", "address: 1 / 0")}, {"lists": "rag_lists:KIND"})
    with pytest.raises(
        PipelineError, match=r"the connector 'lists' of the package rag-lists 1\.0 failed \(ZeroDivisionError"
    ):
        feed_at(Address(("lists://x",), tmp_path))


def test_check_names_it_and_fails_the_contracts_that_use_it(
    workspace: Workspace, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("rag-lists", {"rag_lists": "import nothing_of_this_name"}, {"lists": "rag_lists:KIND"})
    monkeypatch.setenv("RAG_CONTRACTS", str(workspace.settings.contracts))
    good = workspace.contract("handbook", files_contract(workspace.pages({"a.md": "# A\n\nOwls.\n"})))
    code, out, _ = rag(monkeypatch, capsys, "contract", "check")
    assert code == 0, "nothing that is asked for is broken"
    assert "'lists' of the package rag-lists 1.0 cannot be used: ModuleNotFoundError" in out
    bad = lists(workspace)
    code, out, _ = rag(monkeypatch, capsys, "contract", "check", "--data", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["contracts"][str(good)]["data"]["fits"] is True
    assert "rag-lists 1.0" in told["contracts"][str(bad)]["problem"]
    assert list(told["broken_connectors"]) == ["lists"]
