"""Two sources that are cut differently, each as its contract says, through the real graph."""

from typing import Any

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.defs.run import Ran, refresh
from rag_pipeline.index.manifest import all_manifests
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS

LOG = "# Notes\n\n" + " ".join(f"Entry {number} of the log names printer {number}." for number in range(40))


def contract(workspace: Workspace, **custom: Any) -> None:
    """The contract of the second source, `journal`."""
    said = [*LENIENT["customProperties"], *({"property": name, "value": value} for name, value in custom.items())]
    pages = workspace.pages({"log.md": LOG}, "journal")
    workspace.contract("journal", files_contract(pages, id="journal", customProperties=said))


def texts(workspace: Workspace, source: str) -> dict[str, str]:
    """chunk id -> text, as stored."""
    held = chunks_table(workspace.home).scan().collect().filter(source=source)
    return dict(held.select("chunk_id", "text").iter_rows())


def cut(ran: Ran) -> dict[str, tuple[str, ...]]:
    """source -> (documents cut now, tokens at most, joined below, splitter, as said by), as the UI shows it"""
    shown = [record.data for record in ran.assets["corpus/chunks"]["by_source"].records]
    names = ("source", "chunks", "documents cut now", "tokens at most", "joined below", "splitter", "as said by")
    assert all(len(row) == len(names) for row in shown)
    return {str(row["source"]): tuple(str(value) for value in list(row.values())[2:]) for row in shown}


def test_two_sources_are_cut_each_as_its_contract_says_and_a_changed_setting_is_of_one_only(workspace: Workspace) -> None:
    workspace.contract("handbook", files_contract(workspace.pages(PAGES), **LENIENT))
    contract(workspace, chunkTokens=60, chunkSplitter="text")
    workspace.golden("questions", QUESTIONS)
    workspace.policy({"questions": FLOORS})

    first = refresh(workspace.settings)
    assert first.success, first.errors
    assert cut(first) == {
        "handbook": ("6", "254", "24", "markdown", "the settings"),
        "journal": ("1", "60", "0", "text", "its contract"),
    }
    handbook, journal = texts(workspace, "handbook"), texts(workspace, "journal")
    assert len(handbook) == len(PAGES) and len(journal) > 4
    assert first.assets["corpus/embeddings"]["embedded"] == len({*handbook.values(), *journal.values()})

    second = refresh(workspace.settings)
    assert (second.assets["corpus/chunks"]["documents_cut"], second.assets["corpus/embeddings"]["embedded"]) == (0, 0)
    assert second.assets["index/candidate"]["built"] is False

    contract(workspace, chunkTokens=120, chunkSplitter="text")
    third = refresh(workspace.settings)
    assert third.assets["journal/documents"]["items_read"] == 0, "the rows are the same"
    assert cut(third) == {
        "handbook": ("0", "254", "24", "markdown", "the settings"),
        "journal": ("1", "120", "0", "text", "its contract"),
    }
    assert texts(workspace, "handbook") == handbook
    fewer = texts(workspace, "journal")
    assert 1 < len(fewer) < len(journal)
    assert third.assets["corpus/embeddings"]["embedded"] == len(set(fewer.values()) - set(journal.values()))
    newest, *_ = all_manifests(workspace.home.releases)
    assert {source: (one.tokens, one.splitter) for source, one in newest.cut.items()} == {"journal": (120, "text")}
