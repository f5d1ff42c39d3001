"""What the history of loads tells: an export that was cut short is unusual, far below what holds a source."""

import pytest

from rag_pipeline.ingest.report import LoadReport
from tests.conftest import SHARED, Workspace, table_contract
from tests.support.feeds import Feed, row

CUT = SHARED.parent / "cases" / "cut-export" / "exp.odcs.yaml"


@pytest.fixture
def export(workspace: Workspace) -> Feed:
    return Feed(workspace, "exp", table_contract(workspace.root / "feed" / "exp.jsonl", "jsonl"))


def night(export: Feed, rows: int) -> LoadReport:
    export.rows("exp.jsonl", [row(number) for number in range(rows)])
    report = export.load()
    assert (report.held, report.documents) == (False, rows)
    return report


def test_an_export_cut_short_is_unusual(export: Feed) -> None:
    assert night(export, 40).unusual_drop == ""
    assert night(export, 25).unusual_drop == (
        "15 of 40 documents left with this load (37.5 %), where up to 5.0 % is usual; look whether the export was read "
        "while it was still being written"
    )
    assert night(export, 40).unusual_drop == ""


@pytest.mark.skipif(not CUT.is_file(), reason="shared/cases is not beside this checkout")
def test_the_cut_export_of_the_shared_cases_is_unusual(workspace: Workspace) -> None:
    import yaml

    content = yaml.safe_load(CUT.read_text(encoding="utf-8"))
    content["servers"][0]["path"] = str(workspace.root / "feed" / "exp.jsonl")
    export = Feed(workspace, "exp", content)
    for count, unusual in ((40, False), (25, True)):
        export.rows("exp.jsonl", [{"id": str(n), "body": f"Answer number {n}."} for n in range(count)])
        assert bool(export.load().unusual_drop) is unusual


@pytest.mark.parametrize(
    ("before", "after", "unusual"), [(40, 37, False), (40, 36, True), (100, 95, False), (100, 94, True)]
)
def test_little_is_usual_for_every_source(export: Feed, before: int, after: int, unusual: bool) -> None:
    night(export, before)
    assert bool(night(export, after).unusual_drop) is unusual


def test_one_accident_does_not_become_usual_and_a_habit_does(export: Feed) -> None:
    for rows in (40, 25, 40):
        night(export, rows)
    assert night(export, 25).unusual_drop, "it was so once, by accident"
    night(export, 40)
    assert night(export, 25).unusual_drop == "", "every other night is a habit"
    night(export, 40)
    assert night(export, 22).unusual_drop, "but not so much"


def test_what_a_load_puts_back_or_replaces_is_no_drop(export: Feed) -> None:
    night(export, 40)
    export.rows("exp.jsonl", [row(f"new-{number}") for number in range(40)])
    assert export.load().unusual_drop == ""
