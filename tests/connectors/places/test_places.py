"""Places: a pattern means the same in a bucket as in a folder, and things are fetched ahead in order and within bounds."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.limits import Limits
from rag_pipeline.places import Folder, Place, place_of
from rag_pipeline.places.prefetch import PENDING, PENDING_BYTES, THREADS, Ahead
from rag_pipeline.places.walk import matches
from tests.support.object_store import Bucket, new_bucket, set_credentials, wait_until

NAMES = ["a", "b.md", "c.txt", "a.md", ".h.md", "[x].md", "Ä b.md"]
FILES = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join), min_size=1, max_size=8)
PARTS = ["*", "**", "?", "*.md", "[ab]*", "[!a]*", "a", "b.md", "??*", "*.*", "[[]x].md", "*.MD"]
PATTERNS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join)


@settings(max_examples=50, deadline=None)
@given(FILES, PATTERNS)
def test_a_pattern_matches_a_key_where_glob_finds_the_file(files: list[str], pattern: str) -> None:
    if pattern.endswith("**"):  # of which glob finds folders only before Python 3.13, and files too from there on
        pattern += "/*"
    folder = Path(tempfile.mkdtemp())
    try:
        for name in files:
            path = folder / name
            if not any(parent.is_file() for parent in path.parents) and not path.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        there = [PurePosixPath(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        found = {PurePosixPath(path.relative_to(folder)) for path in folder.glob(pattern) if path.is_file()}
        assert {key for key in there if matches(key, pattern)} == found
    finally:
        shutil.rmtree(folder)


def test_two_stars_at_the_end_match_every_file_below() -> None:
    assert all(matches(PurePosixPath(key), "docs/**") for key in ("docs/a.md", "docs/sub/deep/a.md"))
    assert not matches(PurePosixPath("docs2/a.md"), "docs/**")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    set_credentials(monkeypatch)
    with new_bucket() as bucket:
        yield bucket


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The same three files in either."""
    files = {"docs/a.md": b"one", "docs/sub/b c.md": b"two", "docs/c.txt": b"three", "other/d.md": b"four"}
    if request.param == "folder":
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        return place_of(tmp_path / "docs", "", "", Limits(), confined=True)
    bucket: Bucket = request.getfixturevalue("bucket")
    bucket.put(**files)
    return place_of(None, *bucket.place("docs"), confined=True)


def test_every_place_lists_reads_and_lends_its_files_alike(place: Place) -> None:
    entries = list(place.entries("**/*", lambda path: path.suffix == ".md"))
    assert [entry.key for entry in entries] == ["a.md", "sub/b c.md"]
    place.expect([entry.key for entry in entries])
    assert [place.content(entry.key).data for entry in entries] == [b"one", b"two"]
    with place.file("c.txt") as path:
        assert path.read_bytes() == b"three"
    assert place.entry("a.md") == entries[0]
    assert place.uri("sub/b c.md").endswith("/docs/sub/b%20c.md")


def test_every_place_says_when_a_file_is_not_there(place: Place) -> None:
    with pytest.raises(SourceUnavailable, match=r"docs/no\.csv: .*no such .*check `(path|location)` in the contract"):
        place.entry("no.csv")


def test_a_local_table_may_be_a_link_that_leads_elsewhere_and_a_document_may_not(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "rows.csv").symlink_to(tmp_path / "elsewhere")
    for confined in (False, True):
        folder = Folder(tmp_path / "here", 100, confined=confined)
        assert [entry.key for entry in folder.entries("*.csv", lambda _: True)] == ["rows.csv"]
        if not confined:
            assert folder.content("rows.csv").data == b"x"
        else:
            with pytest.raises(Unreadable, match="is a link that leads out of it"):
                folder.content("rows.csv")


class Fetching:
    """A slow fetch that counts, and waits until it is let go on."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.running, self.most = 0, 0
        self.gate = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, key: str) -> str:
        with self._lock:
            self.begun.append(key)
            self.running += 1
            self.most = max(self.most, self.running)
        self.gate.wait(20)
        with self._lock:
            self.running -= 1
        if key.startswith("bad"):
            raise ValueError(key)
        return key.upper()


def names(count: int) -> list[str]:
    return [f"k{n:03}" for n in range(count)]


def test_only_a_few_are_fetched_ahead_of_the_one_taken() -> None:
    fetch = Fetching()
    ahead = Ahead(fetch)
    ahead.expect((name, 1) for name in names(50))
    wait_until(lambda: len(fetch.begun) == THREADS)
    fetch.gate.set()
    wait_until(lambda: len(fetch.begun) == PENDING)
    assert ahead.take("k000") == "K000"
    wait_until(lambda: len(fetch.begun) == PENDING + 1)
    assert [ahead.take(name) for name in names(50)[1:]] == [name.upper() for name in names(50)[1:]]
    assert sorted(fetch.begun) == names(50)
    assert fetch.most <= THREADS


def test_large_ones_are_not_held_many_at_a_time() -> None:
    fetch = Fetching()
    fetch.gate.set()
    ahead = Ahead(fetch)
    ahead.expect([("big", 2 * PENDING_BYTES), ("k000", 1), ("k001", PENDING_BYTES), ("k002", 1)])
    assert ahead.take("big") == "BIG"
    assert set(fetch.begun) <= {"big", "k000"}
    assert ahead.take("k000") == "K000"
    assert [ahead.take("k001"), ahead.take("k002")] == ["K001", "K002"]
    assert sorted(fetch.begun) == ["big", "k000", "k001", "k002"]


def test_what_a_fetch_raises_is_raised_where_its_result_is_taken() -> None:
    fetch = Fetching()
    fetch.gate.set()
    ahead = Ahead(fetch)
    ahead.expect([("k000", 1), ("bad", 1), ("k001", 1)])
    assert ahead.take("k000") == "K000"
    with pytest.raises(ValueError, match="bad"):
        ahead.take("bad")
    assert ahead.take("k001") == "K001"


def test_what_was_not_expected_is_fetched_at_once_and_what_is_passed_over_does_no_harm() -> None:
    fetch = Fetching()
    fetch.gate.set()
    ahead = Ahead(fetch)
    assert ahead.take("alone") == "ALONE"
    ahead.expect((name, 1) for name in names(20))
    assert [ahead.take(key) for key in ("k001", "other", "k015", "k000", "k019")] == [
        "K001",
        "OTHER",
        "K015",
        "K000",
        "K019",
    ]


def test_no_thread_is_left_when_all_is_taken_or_nothing_more_is_wanted() -> None:
    def left() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("fetch")]

    fetch = Fetching()
    fetch.gate.set()
    taken, stopped = Ahead(fetch), Ahead(fetch)
    taken.expect([("a", 1), ("b", 1)])
    assert taken.take("a") + taken.take("b") == "AB"
    stopped.expect((name, 1) for name in names(100))
    stopped.stop()
    wait_until(lambda: not left())
    assert len(fetch.begun) < 100
