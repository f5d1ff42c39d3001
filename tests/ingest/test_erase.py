"""What retention removes is noted down before it goes; what leaves otherwise is not."""

from datetime import datetime
from typing import Any

import pytest

from rag_pipeline.ingest.erase import erased
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.lake import Table
from tests.conftest import Workspace
from tests.support.dated_news import News, dated


def versions(workspace: Workspace) -> dict[str, str]:
    rows = source_tables(workspace.home, "news").documents.scan().select("key", "content_hash").collect()
    return dict(rows.iter_rows())


def test_what_is_past_its_retention_is_noted_by_the_hash_of_its_version(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("old", "2026-02-25"), dated("new", "2026-03-01"), dated("undated", None)])
    news.load(1)
    old = versions(workspace)["old"]
    assert erased(workspace.home).notes == 0
    news.load(7)
    assert (erased(workspace.home).notes, erased(workspace.home).contents) == (1, {old})
    [note] = source_tables(workspace.home, "news").erased.scan().collect().to_dicts()
    assert (note["why"], note["run_id"], isinstance(note["at"], datetime)) == ("retention", "day-7", True)
    news.load(8)
    assert erased(workspace.home).notes == 1


def test_a_document_whose_row_comes_back_too_old_is_noted(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("1", "2026-03-01"), dated("2", "2026-03-01")])
    news.load(1)
    first = versions(workspace)["1"]
    news.rows[0]["at"] = "2026-01-01"
    report = news.load(2)
    assert (report.removed, report.expired) == (("news/1",), 1)
    assert erased(workspace.home).contents == {first}


def test_a_row_that_left_its_feed_is_not_noted(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("1", "2026-03-01"), dated("2", "2026-03-01"), dated("past", "2026-01-01")])
    news.load(1)
    del news.rows[0]
    report = news.load(2)
    assert (report.removed, report.expired) == (("news/1",), 1)
    assert erased(workspace.home).notes == 0, "the expired row was never stored, and the other one did not expire"


def test_a_load_that_dies_between_the_note_and_the_removal_has_noted_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = News(workspace, rows=[dated("old", "2026-02-25"), dated("new", "2026-03-01")])
    news.load(1)

    def dies(*_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as before:
        before.setattr(Table, "remove", dies)
        with pytest.raises(KeyboardInterrupt):
            news.load(7)
    assert erased(workspace.home).notes == 1
    assert news.keys() == {"old", "new"}
    news.load(7)
    assert (erased(workspace.home).notes, news.keys()) == (2, {"new"})
