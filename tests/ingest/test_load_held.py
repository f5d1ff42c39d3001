"""A contract that cannot be served here, for a secret or a connector is missing: its source is held, and no other one."""

import json
from datetime import timedelta

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.state import source_state
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.settings import Secrets
from tests.conftest import Workspace, column, files_contract, table_contract
from tests.support.feeds import NOW, Feed, row


def test_a_source_that_hashes_is_held_without_a_salt_and_the_others_go_on(workspace: Workspace) -> None:
    (workspace.root / "feed").mkdir()
    people = table_contract(workspace.root / "people.jsonl", "jsonl", column("mail", policy="hash"))
    contract = read_contract(workspace.contract("people", people))
    (workspace.root / "people.jsonl").write_text(json.dumps(row("r1", mail="jane@example.com")) + "\n", encoding="utf-8")
    other = Feed(workspace, "handbook", files_contract(workspace.root / "feed"))
    other.write("a.md", "# A\n\nOwls.\n")

    with_salt = load_source(contract, workspace.home, run_id="one", now=NOW, secrets=Secrets(salt="pepper"))
    assert (with_salt.outcome, with_salt.documents) == ("accepted", 1)
    (workspace.root / "people.jsonl").write_text(json.dumps(row("r2", mail="joe@example.com")) + "\n", encoding="utf-8")
    held = load_source(contract, workspace.home, run_id="two", now=NOW + timedelta(days=1))
    assert (held.outcome, held.documents, held.data_version) == ("held", 1, with_salt.data_version)
    assert held.reason == (
        f"{contract.file}: piiPolicy hash of column mail needs a secret that this installation keeps: set RAG_PII_SALT"
    )
    assert source_tables(workspace.home, "people").documents.scan().select("key").collect()["key"].to_list() == ["r1"]
    assert source_state(contract, workspace.home, NOW + timedelta(days=1)).reason == held.reason
    assert other.load().outcome == "accepted"

    again = load_source(
        contract, workspace.home, run_id="three", now=NOW + timedelta(days=2), secrets=Secrets(salt="pepper")
    )
    assert (again.outcome, again.added, again.removed) == ("accepted", ("people/r2",), ("people/r1",))


def test_a_source_of_a_connector_nobody_knows_is_held(workspace: Workspace) -> None:
    server = {"server": "here", "type": "custom", "customProperties": [{"property": "connector", "value": "python_langage"}]}
    contract = read_contract(workspace.contract("python", files_contract("", servers=[server])))
    report = load_source(contract, workspace.home, run_id="one", now=NOW)
    assert report.held
    assert "unknown connector 'python_langage'; did you mean 'python_language'?" in report.reason
