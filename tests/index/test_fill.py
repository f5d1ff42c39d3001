import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHUNKS_FILE, Home
from rag_pipeline.index import build as build_module
from rag_pipeline.index import chroma, fill
from rag_pipeline.index.base import Base
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.fill import fill_by_difference
from rag_pipeline.index.manifest import Manifest, damaged_files
from rag_pipeline.index.verify import verify_release
from rag_pipeline.ingest.tables import DOCUMENTS, source_tables
from tests.support.numbered_chunks import NUMBERS, assert_same_records, bytes_of, damage, hold, release, served, whole
from tests.support.small_releases import NOW, SMALL, build, chunker, document

EVERY = range(100)

Pages = dict[str, tuple[str, dict[str, object]]]
"""key -> text, metadata"""

PAGES: Pages = {
    f"page{number:02}.md": (f"# Page {number}\n\nOf subject {number}.", {"team": "ops", "stars": number})
    for number in range(12)
}


def release_of_pages(home: Home, pages: Pages, *, night: int = 0) -> Manifest:
    """The release of pages with metadata: cut, embedded, built."""
    rows = [document("handbook", key, text, metadata=json.dumps(metadata)) for key, (text, metadata) in pages.items()]
    source_tables(home, "handbook").documents.overwrite(pa.Table.from_pylist(rows, DOCUMENTS))
    update_chunks(home, ["handbook"], chunker())
    update_embeddings(home, SMALL, SMALL.load)  # type: ignore[arg-type]
    return build(home, now=NOW + timedelta(days=night)).manifest


def test_a_release_by_difference_serves_what_one_built_whole_serves(home: Home, tmp_path: Path) -> None:
    """Removed, added and moved records at once; and it says what was done."""
    first = release(Home(tmp_path / "nights"), EVERY)
    wanted, moved = range(5, 120), range(50, 54)
    second = release(Home(tmp_path / "nights"), wanted, moved=moved, night=1)
    fresh = release(Home(tmp_path / "nothing"), wanted, moved=moved, night=1)
    assert whole(home, fresh) and not whole(home, second)
    origin = second.origin
    assert (origin.base, origin.removed, origin.added, origin.dead_slots) == (first.id, 5 + 4, 20 + 4, 5 + 4)
    assert second.fingerprint == fresh.fingerprint
    assert_same_records(served(Home(tmp_path / "nights"), second), served(Home(tmp_path / "nothing"), fresh))
    assert second.probe.model_dump(exclude={"deleted_asked"}) == fresh.probe.model_dump(exclude={"deleted_asked"})
    assert (second.probe.deleted_asked, second.probe.recall_at_10) == (9, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "removed", "added"),
    [
        (range(100), range(12, 100), 12, 0),
        (range(100), range(140), 0, 40),
        (range(100), range(1, 100), 1, 0),
        (range(100), range(101), 0, 1),
        (range(5), range(1, 5), 1, 0),
        (range(1), range(2), 0, 1),
    ],
    ids=["only deletes", "only adds", "one delete", "one add", "one delete of five", "one add to a release of one"],
)
def test_differences_of_every_shape_are_complete_on_disk(
    home: Home, before: range, after: range, removed: int, added: int
) -> None:
    first = release(home, before)
    second = release(home, after, night=1)
    assert (second.origin.base, second.origin.removed, second.origin.added) == (first.id, removed, added)
    with chroma.reader(home, second) as collection:
        ids = hold(home, after)
        assert sorted(collection.get(include=[])["ids"]) == ids
        asked = NUMBERS[list(after)]
        found = collection.query(query_embeddings=asked, n_results=1, include=[])["ids"]
        assert [names[0] for names in found] == ids
        left = NUMBERS[[place for place in before if place not in after][:1] or [199]]
        [back] = collection.query(query_embeddings=left, n_results=10, include=[])["ids"]
        assert set(back) <= set(ids), "a deleted record came back"


def test_the_base_stays_as_it_is_byte_for_byte(home: Home, tmp_path: Path) -> None:
    first = release(home, EVERY)
    before = bytes_of(home, first)
    second = release(home, range(3, 110), moved=[50], night=1)
    assert second.origin.base == first.id
    assert bytes_of(home, first) == before
    assert damaged_files(tmp_path / "releases" / second.id, second) == ()


def test_a_release_by_difference_needs_its_base_no_more(home: Home, tmp_path: Path) -> None:
    first = release(home, EVERY)
    second = release(home, range(3, 110), night=1)
    shutil.rmtree(tmp_path / "releases" / first.id)
    assert verify_release(home, second.id) == ()
    assert len(served(home, second)) == 107


def test_a_changed_payload_is_served_with_none_of_the_old_keys_and_nothing_is_embedded(home: Home) -> None:
    release_of_pages(home, PAGES)
    texts = vectors_table(home).scan().collect().height
    text = PAGES["page03.md"][0]
    second = release_of_pages(home, PAGES | {"page03.md": (text, {"stars": 5, "draft": True})}, night=1)
    assert (second.origin.removed, second.origin.added, second.origin.dead_slots) == (1, 1, 1)
    [payload] = [one for _, one, _ in served(home, second).values() if one["document_id"] == "handbook/page03.md"]
    assert (payload["stars"], payload["draft"]) == (5, True)
    assert "team" not in payload, "Chroma merges the metadata of an upsert; a difference must not"
    with chroma.reader(home, second) as collection:
        assert len(collection.get(where={"team": "ops"}, include=[])["ids"]) == len(PAGES) - 1
        assert collection.get(where={"stars": 3}, include=[])["ids"] == []
    assert vectors_table(home).scan().collect().height == texts


def test_a_moved_paragraph_keeps_its_id_and_is_served_from_where_it_stands_now(home: Home) -> None:
    sections = ["# Leave\n\nThirty days of paid holiday a year.", "# Travel\n\nTrains in second class, never by plane."]
    pages = PAGES | {"both.md": ("\n\n".join(sections), {})}
    first = release_of_pages(home, pages)
    second = release_of_pages(home, pages | {"both.md": ("\n\n".join(reversed(sections)), {})}, night=1)
    assert (second.origin.base, second.origin.removed, second.origin.added) == (first.id, 2, 2)
    before, after = served(home, first), served(home, second)
    assert before.keys() == after.keys()
    changed = [chunk for chunk in after if before[chunk][1] != after[chunk][1]]
    assert sorted(after[chunk][0] for chunk in changed) == sorted(sections)
    for chunk in changed:
        text, payload, vector = after[chunk]
        assert text == before[chunk][0]
        np.testing.assert_allclose(vector, before[chunk][2], atol=1e-6)
        assert "\n\n".join(reversed(sections))[payload["start"] : payload["end"]] == text


def test_more_deletes_than_chroma_takes_at_a_time_are_all_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "_DELETE_IDS", 4)
    release(home, EVERY)
    second = release(home, range(10, 100), night=1)
    assert (second.origin.removed, len(served(home, second))) == (10, 90)


@given(nights=st.lists(st.sets(st.integers(0, 59), min_size=1, max_size=6), min_size=2, max_size=5))
@hypothesis_settings(max_examples=4, deadline=None, phases=[Phase.generate])
@pytest.mark.slow
def test_whatever_comes_and_goes_night_by_night_every_release_serves_what_is_wanted(
    tmp_path_factory: pytest.TempPathFactory, nights: list[set[int]]
) -> None:
    home, places = Home(tmp_path_factory.mktemp("nights")), set(range(40))
    for night, come_and_go in enumerate([set(), *nights]):
        places ^= come_and_go
        ids = hold(home, sorted(places))
        built = build(home, now=NOW + timedelta(days=night))
        assert "did not hold" not in built.manifest.origin.rebuilt_because
        records = served(home, built.manifest)
        assert sorted(records) == ids
        np.testing.assert_allclose([records[name][2] for name in ids], NUMBERS[sorted(places)], atol=1e-6)


Fill = Callable[[Home, Path, Path, pl.LazyFrame, Base], None]


def broken(monkeypatch: pytest.MonkeyPatch, harm: Callable[..., object]) -> None:
    """Have every difference made as ever, and then harmed before it is proved."""
    as_ever: Fill = fill_by_difference

    def harmed(home: Home, releases: Path, folder: Path, chunks: pl.LazyFrame, base: Base) -> None:
        as_ever(home, releases, folder, chunks, base)
        with chroma.client(folder) as opened:
            harm(opened.get_collection(chroma.COLLECTION, embedding_function=None), base)

    monkeypatch.setattr(build_module, "fill_by_difference", harmed)


HARMS: dict[str, tuple[Callable[..., object], str]] = {
    "a record lost": (lambda found, base: found.delete(ids=["c00050"]), "1 ids lost, 0 not expected"),
    "a record too many": (
        lambda found, base: found.add(ids=[base.removed[0]], embeddings=[[1.0] * 8], documents=["old"]),
        "0 ids lost, 1 not expected",
    ),
    "an old text": (
        lambda found, base: found.update(ids=["c00101"], documents=["old"], embeddings=[NUMBERS[101].tolist()]),
        "1 of 107 records compared have another text",
    ),
    "an old payload": (
        lambda found, base: found.update(ids=["c00101"], metadatas=[{"payload_hash": "old"}]),
        "1 of 107 records compared have another payload",
    ),
    "an old vector": (
        lambda found, base: found.update(ids=["c00101"], embeddings=[NUMBERS[102].tolist()]),
        "1 of 107 records compared have another vector",
    ),
}


@pytest.mark.parametrize("what", HARMS)
def test_a_difference_whose_proof_fails_is_built_whole_instead_and_says_why(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    harm, says = HARMS[what]
    first = release(home, EVERY)
    with monkeypatch.context() as patch:
        broken(patch, harm)
        second = release(home, range(3, 110), night=1)
    assert whole(home, second)
    assert second.origin.rebuilt_because.startswith(f"the difference to {first.id} did not hold: ")
    assert says in second.origin.rebuilt_because
    assert (second.origin.added, second.origin.removed, second.origin.dead_slots) == (0, 0, 0)
    assert second.probe.holds
    fresh = release(Home(tmp_path / "nothing"), range(3, 110))
    assert_same_records(served(home, second), served(Home(tmp_path / "nothing"), fresh))
    assert verify_release(home, second.id) == ()


def test_a_difference_that_finds_too_few_of_the_nearest_is_built_whole_instead(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "_RECALL", 1.01)
    first = release(home, EVERY)
    second = release(home, range(3, 110), night=1)
    assert second.origin.rebuilt_because == (
        f"the difference to {first.id} did not hold: recall@10 against exact search is 1.000, at least 1.01 is wanted"
    )


def test_a_new_chunk_without_a_vector_refuses_the_difference_and_the_whole_build_alike(home: Home, tmp_path: Path) -> None:
    first = release(home, EVERY)
    hold(home, range(3, 110))
    stored = vectors_table(home).scan().collect()
    newest = pl.col("vector") == pl.lit(NUMBERS[105].tolist(), pl.List(pl.Float32))
    vectors_table(home).overwrite(stored.filter(~newest))
    with pytest.raises(ReleaseError, match="1 chunks have no vector"):
        build(home, now=NOW + timedelta(days=1))
    assert sorted(path.name for path in (tmp_path / "releases").iterdir() if path.is_dir()) == [first.id]


def test_a_damaged_release_is_rebuilt_as_an_intact_twin_with_another_name(home: Home, tmp_path: Path) -> None:
    release(home, EVERY)
    torn = release(home, range(3, 110), night=1)
    before = served(home, torn)
    damage(home, torn, "chroma/sealed.sqlite3")
    hold(home, range(150, 160))
    stored = vectors_table(home).version()
    twin = rebuild_release(home, torn, run_id="repair", now=NOW + timedelta(days=1)).manifest
    assert twin.id == f"{torn.id}-2"
    assert (twin.fingerprint, twin.chunks, twin.sources) == (torn.fingerprint, torn.chunks, torn.sources)
    assert (twin.origin.base, twin.origin.rebuilt_because) == (None, f"it repairs {torn.id}")
    assert_same_records(served(home, twin), before)
    assert verify_release(home, twin.id) == ()
    assert damaged_files(tmp_path / "releases" / torn.id, torn) == ("chroma/sealed.sqlite3",), "left for a person to look at"
    assert vectors_table(home).version() == stored


@pytest.mark.parametrize("content", [b"rot", None])
def test_a_release_whose_chunks_are_damaged_too_cannot_be_rebuilt(home: Home, tmp_path: Path, content: bytes | None) -> None:
    torn, other = release(home, range(10)), release(home, range(11), night=1)
    another = (tmp_path / "releases" / other.id / CHUNKS_FILE).read_bytes()
    damage(home, torn, CHUNKS_FILE, another if content is None else content)
    with pytest.raises(ReleaseError, match=f"{torn.id} cannot be repaired: its chunks.parquet is not the one it was built"):
        rebuild_release(home, torn, run_id="repair", now=NOW)


def test_a_rebuild_without_the_vectors_is_refused_and_leaves_nothing_behind(home: Home, tmp_path: Path) -> None:
    torn = release(home, range(10))
    (tmp_path / "releases" / torn.id / "stray").touch()
    vectors_table(home).overwrite(vectors_table(home).scan().collect().head(0))
    with pytest.raises(ReleaseError, match="10 chunks have no vector"):
        rebuild_release(home, torn, run_id="repair", now=NOW + timedelta(days=1))
    assert sorted(path.name for path in (tmp_path / "releases").iterdir() if path.is_dir()) == [torn.id]
