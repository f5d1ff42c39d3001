"""What a source's checks and metadata say of documents that lack something, and of files that are not read."""

from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.defs.source_checks import KINDS_CHECK, WORDS_CHECK, warnings
from rag_pipeline.host.source_metadata import documents_metadata
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.state import source_state
from tests.conftest import Workspace, files_contract
from tests.support.feeds import Feed
from tests.support.made_documents import with_comment

Rows = list[tuple[object, ...]]


def shown(feed: Feed, report: LoadReport) -> tuple[dict[str, dg.AssetCheckResult], dict[str, Rows]]:
    contract = read_contract(feed.workspace.contract("handbook", feed.content))
    state = source_state(contract, feed.home, datetime(2026, 3, 9, tzinfo=UTC))
    checks = {str(one.check_name): one for one in warnings(contract, report, state)}
    metadata = documents_metadata(contract, report, state)
    tables = {name: value.records for name, value in metadata.items() if isinstance(value, dg.TableMetadataValue)}
    return checks, {name: [tuple(row.data.values()) for row in rows] for name, rows in tables.items()}


def test_a_document_that_lacks_words_and_a_kind_that_is_not_read_are_yellow_and_told(workspace: Workspace) -> None:
    feed = Feed(workspace, "handbook", files_contract("../feed"))
    feed.write("owls.docx", with_comment("The owl hunts at night, and sleeps by day.", "Is this so in summer as well?"))
    feed.write("a.xyz", b"x")
    checks, told = shown(feed, feed.load())
    for name in (WORDS_CHECK, KINDS_CHECK):
        assert not checks[name].passed
        assert checks[name].severity == dg.AssetCheckSeverity.WARN
    assert (
        "1 of 1 documents lack more than 5 % of what their files show (textLostMaxPercent), the worst first: owls.docx: "
        in str(checks[WORDS_CHECK].description)
    )
    assert "the load before did not see: 1 with .xyz" in str(checks[KINDS_CHECK].description)
    assert ("words of comments", 7, "missing") in told["left_out_of_documents"]
    assert told["files_of_kinds_not_read"] == [(".xyz", 1)]

    feed.write("owls.docx", with_comment("The owl hunts at night, and sleeps by day.", ""))
    checks, told = shown(feed, feed.load())
    assert checks[WORDS_CHECK].passed
    assert checks[KINDS_CHECK].passed, "it is told once"
    assert told["left_out_of_documents"] == [("nothing of 9 words in 1 documents", None, None)]
    assert (
        checks[WORDS_CHECK].description
        == "None of 1 documents that were read twice lacks more than 5 % of what its file shows"
    )
    assert checks[KINDS_CHECK].description == "No new kind; these are not read, as before: 1 with .xyz"
