"""What a collection does beside the releases that go: moves it finishes, what it leaves for a reason, and what it says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rag_pipeline.channels.audit import move_and_record, record
from rag_pipeline.channels.pointer import Anchor, Channel, read_channel
from rag_pipeline.errors import NoSpace
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.ingest.clock import believe_clock
from rag_pipeline.release import retention
from rag_pipeline.release.retention import collect, kept_releases
from tests.support.four_days import clean, home, left, oldest_first, point
from tests.support.small_releases import NOW, SMALL

__all__ = ["home"]


def reasons(home: Home) -> dict[str, tuple[str, ...]]:
    return {one.manifest.id: one.because for one in kept_releases(home, 1)}


def anchored(home: Home, manifest: Manifest, anchor: Manifest, documents: str) -> None:
    """Move production to a release, with an anchor whose documents are written down or not."""
    point(home, "production", manifest)
    before = read_channel(home, "production")
    assert before
    of = Anchor(
        release=anchor.id, fingerprint=anchor.fingerprint, evidence="e", documents=documents, at=NOW, by="a", why="b"
    )
    move = before.model_copy(update={"sequence": before.sequence + 1, "anchor": of})
    move_and_record(home, "production", move, expected=before)


@pytest.mark.parametrize(("documents", "because"), [("", ("anchor of production",)), ("sha256", ())])
def test_an_anchor_stays_until_its_documents_are_written_down(home: Home, documents: str, because: tuple[str, ...]) -> None:
    first, second, *_ = oldest_first(home)
    anchored(home, second, first, documents)
    assert reasons(home)[first.id] == because


def test_a_release_with_files_of_somebody_elses_stays_and_they_are_named(home: Home) -> None:
    first, second, *_, newest = oldest_first(home)
    for manifest in (first, newest):
        for name in ("notes.txt", "more.txt"):
            (home.release(manifest.id) / name).write_text("mine", encoding="utf-8")
    found = reasons(home)
    assert found[first.id] == ("it holds files that are not the pipeline's: more.txt, notes.txt",)
    assert found[newest.id] == ("one of the newest 1",), "which stays in any case"
    assert found[second.id] == ()


def test_a_move_that_a_process_left_undone_is_finished_by_a_collection_and_not_by_a_dry_run(home: Home) -> None:
    first, second, *_ = oldest_first(home)
    point(home, "production", first)
    before = read_channel(home, "production")
    assert before
    said = {"release": second.id, "fingerprint": second.fingerprint, "previous": first.id, "sequence": 2}
    move: Channel = before.model_copy(update=said)
    record(home, "production", move)
    assert second.id not in [one.id for one in clean(home, dry_run=True).removed]
    assert read_channel(home, "production") == before
    assert second.id not in [one.id for one in clean(home).removed]
    assert read_channel(home, "production") == move


def test_what_a_killed_collection_left_goes_with_its_report_and_other_reports_stay(home: Home) -> None:
    *_, newest = oldest_first(home)
    home.reports.mkdir()
    half, other = "20260101-000000-beefbeef", "20260102-000000-beefbeef"
    home.release(f".trash-{half}").mkdir()
    for name in (half, other, newest.id):
        for kind in ("", "answers-"):
            home.report(name, kind).write_text("<html>", encoding="utf-8")
    would = clean(home, keep=9, dry_run=True)
    done = clean(home, keep=9)
    for one in (would, done):
        assert (one.leftovers, one.swept.reports) == (
            (f".trash-{half}",),
            (f"reports/{half}.html", f"reports/answers-{half}.html"),
        )
    assert {path.name for path in home.reports.iterdir()} == {
        f"{kind}{name}.html" for name in (other, newest.id) for kind in ("", "answers-")
    }
    assert left(home) == [one.id for one in oldest_first(home)]


def test_a_clock_that_cannot_be_believed_is_told_and_no_version_of_a_table_goes(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def tidy_tables(home: Home, days: int, *, dry_run: bool) -> tuple[str, ...]:
        asked.append(days)
        return ("lake/chunks/old",)

    monkeypatch.setattr(retention, "tidy_tables", tidy_tables)
    believe_clock(home, NOW, by="ana")
    done = collect(home, keep=9, days=30, model=SMALL.fingerprint, now=NOW + timedelta(days=99))
    assert "the clock says 2026-06-08 02:00 UTC, 99 days after the last time" in done.clock_doubt
    assert done.clock_doubt in caplog.messages
    assert (done.swept.tables, asked, done.dry_run) == ((), [], False)
    believe_clock(home, datetime.now(UTC), by="ana")
    done = collect(home, keep=9, days=30, model=SMALL.fingerprint)
    assert (done.clock_doubt, done.swept.tables, asked) == ("", ("lake/chunks/old",), [30])


def test_vectors_that_cannot_be_removed_for_want_of_room_are_left_to_the_next_collection(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> int:
        raise NoSpace("no space left on device")

    monkeypatch.setattr(retention, "_collect_vectors", full)
    monkeypatch.setattr(retention, "_collect_query_vectors", full)
    done = clean(home)
    assert (len(done.removed), done.vectors, done.query_vectors) == (3, 0, 0)
    assert [message.split(" could")[0] for message in caplog.messages if "lack of space" in message] == [
        "the table lake/vectors",
        "the table lake/query_vectors",
    ]


def test_nothing_is_collected_from_an_empty_home_and_nothing_is_made_there(tmp_path: Path) -> None:
    done = collect(Home(tmp_path), keep=1, days=30, model="none")
    assert (done.kept, done.removed, done.dry_run, done.exports) == ((), (), False, ())
