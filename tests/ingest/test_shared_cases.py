"""Small inputs that went wrong elsewhere, each an example of a kind; the rest of each kind is tested beside its rule."""

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import ContractError
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import source_tables
from tests.conftest import CASES, Workspace, files_contract, table_contract

NOW = datetime(2026, 11, 29, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is not there")


def loaded(workspace: Workspace, contract: Path) -> LoadReport:
    return load_source(read_contract(contract), workspace.home, run_id="night", now=NOW)


def case(workspace: Workspace, name: str) -> Path:
    """A copy of a case's folder; its contract lies beside its feed."""
    return Path(shutil.copytree(CASES / name, workspace.root / name))


def test_prices_in_cents_keep_a_multiple_of_a_cent(workspace: Workspace) -> None:
    report = loaded(workspace, case(workspace, "multiple-of") / "prices.odcs.yaml")
    assert (report.outcome, report.good, report.refused) == ("accepted", 6, 0)


def test_times_as_databases_write_them_are_read(workspace: Workspace) -> None:
    report = loaded(workspace, case(workspace, "iso-times") / "pgexport.odcs.yaml")
    assert (report.outcome, report.good, report.refused) == ("accepted", 6, 0)
    documents = source_tables(workspace.home, "pgexport").documents.scan().collect().sort("document_id")
    assert [f"{one:%H:%M:%S.%f}"[:10] for one in documents["modified_at"]] == [
        "08:15:00.0",
        "09:15:00.5",
        "09:15:00.0",
        "08:15:00.0",
        "08:15:00.0",
        "09:15:00.0",
    ]


def test_a_column_without_a_type_is_told_so(workspace: Workspace) -> None:
    with pytest.raises(ContractError, match=r"properties\[0\]\.logicalType: is missing; one of string, .*'text'"):
        read_contract(case(workspace, "no-logical-type") / "articles.odcs.yaml")


def test_a_page_that_changed_while_its_size_and_time_stay_is_read_again(workspace: Workspace) -> None:
    page = case(workspace, "changed-in-place") / "a.md"
    contract = workspace.contract("handbook", files_contract(page.parent))
    assert loaded(workspace, contract).added == ("handbook/a.md",)
    text, times = page.read_text(encoding="utf-8"), (page.stat().st_atime_ns, page.stat().st_mtime_ns)
    time.sleep(0.02)  # the system's clock ticks a hundred times a second
    page.write_text(text.swapcase(), encoding="utf-8")
    os.utime(page, ns=times)
    assert loaded(workspace, contract).changed == ("handbook/a.md",)


def test_a_linked_folder_is_read(workspace: Workspace) -> None:
    folder = case(workspace, "linked-folder")
    (folder / "current").symlink_to("v1")
    report = loaded(workspace, workspace.contract("handbook", files_contract(folder)))
    assert set(report.added) == {"handbook/v1/inner.md", "handbook/current/inner.md"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("semi.csv", "no comma, but a semicolon"),
        ("tab.csv", "no comma, but a tab"),
        ("array.jsonl", "one JSON array instead of an object a line"),
    ],
)
def test_a_table_in_another_form_is_refused_with_the_form_it_has(workspace: Workspace, name: str, says: str) -> None:
    feed = case(workspace, "csv-delimiter") / name
    report = loaded(workspace, workspace.contract("table", table_contract(feed, feed.suffix.removeprefix("."))))
    assert says in " ".join([report.reason, *(reason for one in report.refusals for reason in one.reasons)])
