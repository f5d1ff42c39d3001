"""Whatever the tables of a source lost, the next load of the same feed says so and puts it back."""

import logging
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.defs.run import Ran
from rag_pipeline.errors import LakeError
from rag_pipeline.ingest.loads import loads_in_order
from rag_pipeline.ingest.tables import LISTING
from tests.conftest import Workspace, column, table_contract
from tests.support.dated_news import News, dated
from tests.support.feeds import Feed, limits, row
from tests.support.lost_commits import HARMS, drop_last_commit, empty_last_commit, remove_the_table

Run = Callable[..., Ran]
SLOW = pytest.mark.slow
EVERY_NIGHT = 2
"""Items read on every night: the file whose row lost, and the one it lost to."""

TABLES = ("documents", "quarantine", "listings", "loads")


@pytest.fixture
def feed(workspace: Workspace) -> Feed:
    """A table in files of every kind: good rows, refused rows, no row at all, rows that lost to those of another file."""
    path = workspace.root / "feed" / "*.jsonl"
    content = table_contract(path, "jsonl", column("stars", logicalType="integer"), customProperties=limits(100, 100))
    return Feed(workspace, "reviews", content)


def three_nights(feed: Feed) -> None:
    """The last night edits one file, adds one, removes one, and settles one refusal."""
    feed.rows("good.jsonl", [row(n, stars=n) for n in range(5)])
    feed.rows("bad.jsonl", [row("bad", stars="many"), row("worse", stars="more")])
    feed.rows("empty.jsonl", [])
    feed.rows("removed.jsonl", [row("removed")])
    feed.load()
    feed.rows("loser.jsonl", [row(0, "Owls of another file.")])
    feed.load()
    feed.rows("good.jsonl", [row(n, f"Owl {n} hunts at night.", stars=n) for n in range(5)])
    feed.rows("bad.jsonl", [row("bad", stars=3), row("worse", stars="more")])
    feed.rows("zadded.jsonl", [row("added"), row("refused", stars="x")])
    (feed.folder / "removed.jsonl").unlink()
    assert feed.load().outcome == "accepted"


def state(feed: Feed) -> tuple[Any, Any]:
    """All that must come back: documents, and refusals that are open."""
    documents = {key: {name: one[name] for name in ("text", "item", "row_hash")} for key, one in feed.documents().items()}
    return documents, sorted(one["quarantine_id"] for one in feed.quarantine("open"))


def path_of(feed: Feed, table: str) -> Path:
    return feed.home.lake / table / "reviews"


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("harm", HARMS)
def test_what_one_table_lost_comes_back_with_the_next_load_of_the_same_feed(feed: Feed, table: str, harm: str) -> None:
    three_nights(feed)
    before = state(feed)
    HARMS[harm](path_of(feed, table))
    report = feed.load()
    assert state(feed) == before
    assert not report.held
    if table == "documents":
        assert report.items_lost > 0
        assert report.outcome == "accepted", "a refresh that puts documents back must not say that nothing changed"
    assert feed.load().items_lost == 0
    last = feed.load()
    assert (last.items_read, last.outcome) == (EVERY_NIGHT, "unchanged")
    assert feed.tables.loads.scan().collect().height >= 3


@pytest.mark.parametrize(
    "harm", [drop_last_commit, *(pytest.param(one, marks=SLOW) for one in (remove_the_table, empty_last_commit))]
)
def test_what_several_tables_lost_at_once_comes_back_too(
    workspace: Workspace, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    for number, tables in enumerate([*combinations(TABLES, 2), TABLES]):
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / "feed" / "*.jsonl"
        content = table_contract(path, "jsonl", column("stars", logicalType="integer"), customProperties=limits(100, 100))
        feed = Feed(Workspace(tmp_path / str(number)), "reviews", content)
        three_nights(feed)
        before = state(feed)
        for table in tables:
            harm(path_of(feed, table))
        assert not feed.load().held
        assert state(feed) == before, tables
        assert feed.load().items_lost == 0


def test_a_loss_is_told_and_an_unharmed_night_reads_nothing(feed: Feed, caplog: pytest.LogCaptureFixture) -> None:
    three_nights(feed)
    with caplog.at_level(logging.WARNING, "rag_pipeline"):
        assert feed.load().items_lost == 0
        assert caplog.text == ""
        empty_last_commit(path_of(feed, "documents"))
        assert feed.load().items_lost > 0
    assert "reviews: the tables do not hold what was stored of" in caplog.text
    assert "they are read again" in caplog.text


def test_items_that_rightly_gave_nothing_are_not_read_every_night(feed: Feed) -> None:
    feed.rows("empty.jsonl", [])
    feed.rows("good.jsonl", [row(1), row(2)])
    feed.rows("refused.jsonl", [row("x", stars="many")])
    feed.load()
    report = feed.load()
    assert (report.items_listed, report.items_read, report.items_lost) == (3, 0, 0)


def test_a_document_that_a_lost_commit_had_removed_goes_again(feed: Feed) -> None:
    feed.rows("a.jsonl", [row("stays")])
    feed.rows("b.jsonl", [row("goes")])
    feed.load()
    (feed.folder / "b.jsonl").unlink()
    feed.load()
    drop_last_commit(path_of(feed, "documents"))
    assert feed.load().removed == ("reviews/goes",)


def test_the_collection_between_loss_and_load_hides_nothing(feed: Feed) -> None:
    """It would compact the table, and so give it a higher version than the one that was lost."""
    three_nights(feed)
    before = state(feed)
    drop_last_commit(path_of(feed, "documents"))
    with pytest.raises(LakeError, match="lost a commit"):
        feed.tables.documents.tidy(30)
    assert feed.load().items_lost > 0
    assert state(feed) == before


def test_what_was_lost_while_the_feed_is_down_is_told_and_comes_back_with_it(feed: Feed) -> None:
    three_nights(feed)
    before = state(feed)
    drop_last_commit(path_of(feed, "documents"))
    feed.folder.rename(feed.folder.with_name("away"))
    held = feed.load()
    assert held.held and held.items_lost > 0
    assert "the tables do not hold what was stored of" in held.reason
    assert loads_in_order(feed.tables)["lost"].to_list()[-1] == held.items_lost
    feed.folder.with_name("away").rename(feed.folder)
    assert feed.load().items_lost == held.items_lost
    assert state(feed) == before


def test_retention_is_no_loss(workspace: Workspace) -> None:
    news = News(workspace, rows=[dated("old", "2026-02-25"), dated("new", "2026-03-05")])
    assert news.load(1).good == 2
    news.load(6)
    assert (news.load(7).purged, news.keys()) == (1, {"new"})
    report = news.load(8)
    assert (report.purged, report.items_lost, report.items_read) == (0, 0, 0)
    drop_last_commit(workspace.home.documents / "news")
    assert (news.load(8).purged, news.keys()) == (1, {"new"}), "what a lost commit brought back is removed again"
    assert news.load(8).items_lost == 0


def test_a_listing_of_an_older_version_has_every_item_read_once_more(feed: Feed, caplog: pytest.LogCaptureFixture) -> None:
    three_nights(feed)
    old = feed.tables.listing.scan().select("item", "version", "reader", "settled").collect()
    remove_the_table(path_of(feed, "listings"))
    old.write_delta(str(path_of(feed, "listings")))
    before = state(feed)
    with caplog.at_level(logging.INFO, "rag_pipeline"):
        report = feed.load()
    assert "is of an older version of this pipeline" in caplog.text
    assert (report.items_read, report.items_lost, report.outcome) == (report.items_listed, 0, "unchanged")
    assert state(feed) == before
    assert feed.load().items_read == EVERY_NIGHT
    assert feed.tables.listing.scan().collect_schema().names() == LISTING.names


# ------------------------------------------------------------------------------------------------ the whole pipeline


def test_a_refresh_after_a_lost_commit_says_so_and_serves_everything_again(handbook: Workspace, run: Run) -> None:
    """The next refresh said `unchanged` and promoted an index without the pages, for good."""
    late = {f"more/{number}.md": f"# More {number}\n\nSomething else about number {number}.\n" for number in range(6)}
    assert run().success
    handbook.pages(late)
    first = run().assets
    assert first["index/production"]["promoted"] is True
    empty_last_commit(handbook.home.documents / "handbook")
    ran = run()
    assert ran.success
    found = ran.assets["handbook/documents"]
    assert (found["outcome"], found["documents"], found["items_read_again_because_lost"]) == ("accepted", 12, 6)
    warned = {one.check: one for one in ran.failed_checks}
    assert warned["tables_hold_what_was_stored"].severity == "WARN"
    assert "6 items, which were read again" in warned["tables_hold_what_was_stored"].description
    assert ran.assets["index/candidate"]["release"] == serving(handbook.home) == first["index/candidate"]["release"]
    assert run().failed_checks == ()


@pytest.mark.slow
def test_what_was_lost_while_the_source_is_held_is_not_released(handbook: Workspace, begin: Run, run: Run) -> None:
    begin()
    handbook.pages({"pets.md": "# Pets\n\nDogs may come to the office on Fridays.\n"})
    assert run().success
    serves = serving(handbook.home)
    drop_last_commit(handbook.home.documents / "handbook")
    (handbook.root / "pages").rename(handbook.root / "away")
    refused = run()
    assert serving(handbook.home) == serves
    says = " ".join(one.description for one in refused.failed_checks)
    assert "its tables lost what was stored of 1 items" in says
    assert "`rag refresh --source handbook` reads them again" in says
    (handbook.root / "away").rename(handbook.root / "pages")
    assert run().success
    assert serving(handbook.home) == serves


@pytest.mark.parametrize(
    "harm", ["the last commit gone", *(pytest.param(one, marks=SLOW) for one in HARMS if one != "the last commit gone")]
)
def test_what_chunks_and_vectors_lost_comes_back_with_the_next_refresh(handbook: Workspace, run: Run, harm: str) -> None:
    run(promote=False)
    handbook.pages({"leave.md": "# Leave\n\nForty days of paid holiday each year, for everybody, says the new manager.\n"})
    release = run(promote=False).assets["index/candidate"]["release"]
    chunks, texts = _chunks(handbook), _texts(handbook)
    for table in (chunks_table(handbook.home).path, vectors_table(handbook.home).path):
        HARMS[harm](table)
    again = run(promote=False)
    assert again.assets["index/candidate"]["release"] == release
    assert (_chunks(handbook), _texts(handbook)) == (chunks, texts)
    assert run(promote=False).assets["corpus/embeddings"]["embedded"] == 0


def _chunks(workspace: Workspace) -> list[tuple[str, str]]:
    return sorted(chunks_table(workspace.home).scan().select("chunk_id", "payload_hash").collect().rows())


def _texts(workspace: Workspace) -> list[str]:
    needed = chunks_table(workspace.home).scan().select("text_hash").unique()
    stored = vectors_table(workspace.home).scan().select("text_hash").join(needed, on="text_hash")
    return sorted(stored.collect()["text_hash"])
