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


def documents(workspace: Workspace, name: str, column: str) -> dict[str, str]:
    """A column of every document of a case that is a folder, by file."""
    report = loaded(workspace, workspace.contract("handbook", files_contract(case(workspace, name))))
    assert report.refused == 0
    rows = source_tables(workspace.home, "handbook").documents.scan().collect()
    return dict(zip((one.removeprefix("handbook/") for one in rows["document_id"]), rows[column], strict=True))


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


TITLES = {
    "body.md": "Real heading",
    "closed.md": "Closed heading",
    "fence.md": "Setting up a workstation",
    "folded.md": "Holiday policy for warehouse staff",
    "pre.html": "Real",
    "setext.md": "Pager duty",
    "tags.md": "Pager duty",
}


def test_a_title_is_the_one_a_reader_would_name(workspace: Workspace) -> None:
    assert documents(workspace, "titles", "title") == TITLES


def test_a_page_inside_a_form_is_read(workspace: Workspace) -> None:
    texts = documents(workspace, "html-form", "text")
    assert "Taxi receipts are handed in" in texts["form.html"]
    assert "Copyright of the intranet team" in texts["form.html"]
    assert len(texts["whole.html"]) > 50


def test_a_drawing_inside_a_page_leaves_no_code(workspace: Workspace) -> None:
    (text,) = documents(workspace, "inline-svg", "text").values()
    assert "Toner is kept in room twelve." in text
    assert len(text) < 200


def test_every_note_of_a_word_document_is_in_its_text(workspace: Workspace) -> None:
    texts = documents(workspace, "docx-notes", "text")
    wanted = {
        "fn_end_only.docx": ["ENDONE source."],
        "fn_foot_end.docx": ["FOOTONE except Sundays.", "ENDONE source."],
        "fn_foot_only.docx": ["FOOTONE except Sundays.", "FOOTTWO except holidays."],
        "fn_many.docx": [f"FOOT{number}." for number in range(1, 6)],
    }
    for name, notes in wanted.items():
        assert [note for note in notes if note not in texts[name]] == []
    assert "Claim one.[^1] Claim two.[^2]\n" in texts["fn_foot_only.docx"]


def test_a_word_document_whose_main_part_has_another_name_is_read(workspace: Workspace) -> None:
    (text,) = documents(workspace, "docx-main-part", "text").values()
    assert text.strip()


def test_what_was_filled_into_a_form_is_in_the_text(workspace: Workspace) -> None:
    (text,) = documents(workspace, "pdf-form", "text").values()
    assert "keys are handed out by the porter" in text
    assert "Anna room 9" in text


def test_private_values_that_only_a_reader_sees_are_masked(workspace: Workspace) -> None:
    contract = files_contract(case(workspace, "invisible-private"))
    contract["customProperties"] += [{"property": "piiPolicy", "value": "scan-and-mask"}]
    report = loaded(workspace, workspace.contract("handbook", contract))
    assert report.pii_found == {"EMAIL_ADDRESS": 3, "IBAN_CODE": 1, "CREDIT_CARD": 1}
    (text,) = source_tables(workspace.home, "handbook").documents.scan().collect()["text"]
    assert not any(part in text for part in ("anna", "bob", "carl", "DE89", "4111"))


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


ELSEWHERE = {
    "cut-export": "tests/ingest/test_loads.py",
    "brackets": "tests/pipeline/test_any_folder.py",
}
"""Cases that another file tests, beside the rule."""


def test_what_a_folder_of_other_kinds_holds_is_read_as_far_as_it_can_be(workspace: Workspace) -> None:
    """The kinds themselves, and what is left out, are tested beside the connectors."""
    folder = case(workspace, "other-kinds")
    report = loaded(workspace, workspace.contract("handbook", files_contract(folder)))
    assert {"handbook/a.md", "handbook/F.MD"} <= set(report.added)


def test_every_case_has_a_test() -> None:
    here = Path(__file__)
    for folder in sorted(path.name for path in CASES.iterdir() if path.is_dir()):
        file = here.parents[2] / ELSEWHERE.get(folder, str(here))
        assert f'"{folder}"' in file.read_text(encoding="utf-8"), f"no test reads the case {folder}"
