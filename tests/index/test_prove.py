"""The proof against indexes that are wrong in one way each, made wrong through Chroma itself or in its own files."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import rag_pipeline.index.prove as module
from rag_pipeline.corpus import read_vectors as vectors_of
from rag_pipeline.corpus.model import Vectors
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHROMA_FOLDER, Home
from rag_pipeline.index import chroma
from rag_pipeline.index.fill import fill_whole
from rag_pipeline.index.manifest import IndexParameters, Manifest
from rag_pipeline.index.prove import Expected, expect, prove
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.index.views import view
from tests.support.numbered_chunks import NUMBERS, hold
from tests.support.small_releases import SMALL, build, entry, release_of, store_vectors, unit_vectors

EIGHT = entry(replace(SMALL, dimensions=8))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Manifest]:
    """A release of forty chunks nobody may change."""
    home = Home(tmp_path_factory.mktemp("built"))
    hold(home, range(40))
    return home, build(home).manifest


@contextmanager
def copy_of(built: tuple[Home, Manifest], harm: Callable[[Any], object] = lambda _: None) -> Iterator[Path]:
    """A copy of a release's index to prove, after something was done to its collection."""
    home, manifest = built
    with view(home, manifest, CHROMA_FOLDER) as folder:
        with chroma.client(folder) as opened:
            harm(opened.get_collection(chroma.COLLECTION, embedding_function=None))
        yield folder


def expected(built: tuple[Home, Manifest]) -> Expected:
    home, manifest = built
    return expect(home, contents(home.release(manifest.id), manifest), manifest.model)


HARMS: dict[str, tuple[Callable[[Any], object], str]] = {
    "lost": (lambda found: found.delete(ids=["c00007"]), "does not hold what was put in: 1 ids lost, 0 not expected"),
    "too many": (lambda found: found.add(ids=["new"], embeddings=[[1.0] * 8]), "0 ids lost, 1 not expected"),
    "swapped": (
        lambda found: (found.delete(ids=["c00007"]), found.add(ids=["new"], embeddings=[[1.0] * 8])),
        "1 ids lost, 1 not expected",
    ),
    "text": (
        lambda found: found.update(ids=["c00007"], documents=["other"], embeddings=[NUMBERS[7].tolist()]),
        "1 of 40 records compared have another text than was put in",
    ),
    "payload": (
        lambda found: found.update(ids=["c00007", "c00008"], metadatas=[{"payload_hash": "other"}] * 2),
        "2 of 40 records compared have another payload than was put in",
    ),
    "vector": (
        lambda found: found.update(ids=["c00007"], embeddings=[NUMBERS[8].tolist()]),
        "1 of 40 records compared have another vector than was put in",
    ),
    "a vector that is only nearly the same": (
        lambda found: found.update(ids=["c00007"], embeddings=[(NUMBERS[7] + 0.02 * NUMBERS[8]).tolist()]),
        "1 of 40 records compared have another vector than was put in",
    ),
}


@pytest.mark.parametrize("what", HARMS)
def test_an_index_that_is_wrong_in_one_record_is_refused(built: tuple[Home, Manifest], what: str) -> None:
    harm, says = HARMS[what]
    with copy_of(built, harm) as folder, pytest.raises(ReleaseError, match=says):
        prove(folder, expected(built))


def test_an_index_that_was_left_alone_is_proved_again_with_the_same_figures(built: tuple[Home, Manifest]) -> None:
    with copy_of(built) as folder:
        probe = prove(folder, expected(built))
    assert probe == built[1].probe.model_copy(update={"lexical_stored": 0, "lexical_asked": 0})
    assert (probe.vectors_checked, probe.records_compared, probe.recall_at_10) == (40, 40, 1.0)


def test_a_deleted_record_that_queries_still_answer_with_is_refused(built: tuple[Home, Manifest]) -> None:
    """Gone from the store, as `get` and `count` tell it, but not from the graph."""
    home, manifest = built
    rows, left = contents(home.release(manifest.id), manifest), pl.col("chunk_id") == "c00007"
    with copy_of(built) as folder:
        with closing(sqlite3.connect(folder / "chroma.sqlite3")) as store:
            number = "(SELECT id FROM embeddings WHERE embedding_id = 'c00007')"
            store.execute(f"DELETE FROM embedding_metadata WHERE id = {number}")
            store.execute("DELETE FROM embeddings WHERE embedding_id = 'c00007'")
            store.commit()
        forgotten = expect(home, rows.filter(~left), manifest.model, gone=rows.filter(left))
        with pytest.raises(ReleaseError, match="1 deleted records still come back from queries"):
            prove(folder, forgotten)


def test_deleted_records_that_stay_away_are_counted(built: tuple[Home, Manifest]) -> None:
    home, manifest = built
    rows = contents(home.release(manifest.id), manifest)
    left = pl.col("chunk_id").is_in(["c00007", "c00031"])
    with copy_of(built, lambda found: found.delete(ids=["c00007", "c00031"])) as folder:
        probe = prove(folder, expect(home, rows.filter(~left), manifest.model, gone=rows.filter(left)))
    assert (probe.ids_stored, probe.deleted_asked, probe.recall_at_10) == (38, 2, 1.0)


def test_records_that_are_stored_but_that_queries_do_not_reach_are_refused(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph far too thin: every record is there with its text, payload and vector, and many are never found."""
    store_vectors(home, unit_vectors(1000, dimensions=32))
    chunks, thin = chunks_table(home).scan(), IndexParameters(max_neighbors=2, ef_construction=2, ef_search=10)
    fill_whole(home, tmp_path / "index", chunks, "small", thin)
    wanted = expect(home, chunks, entry(replace(SMALL, dimensions=32)))
    with pytest.raises(ReleaseError, match=r"^\d+ of 200 records cannot be found by their own vector$") as refused:
        prove(tmp_path / "index", wanted)
    missed = int(str(refused.value).split()[0])
    monkeypatch.setattr(module, "_UNREACHED", Fraction(missed, 200))
    probe = prove(tmp_path / "index", wanted)
    assert probe.self_retrieval_missed == missed, "as many as may be missed"
    assert probe.self_retrieval_found + probe.self_retrieval_alike + missed == probe.self_retrieval_asked == 200
    monkeypatch.setattr(module, "_UNREACHED", Fraction(missed - 1, 200))
    with pytest.raises(ReleaseError, match=f"{missed} of 200"):
        prove(tmp_path / "index", wanted)


def test_a_crowd_of_near_duplicates_is_answered_by_its_likes_and_told_of(home: Home, tmp_path: Path) -> None:
    """A thin graph again, but everything in it says nearly the same: a reader is served as well by one as by the other."""
    crowd = unit_vectors(1, dimensions=32) + 0.2 * unit_vectors(1000, dimensions=32, seed=3)
    store_vectors(home, (crowd / np.linalg.norm(crowd, axis=1, keepdims=True)).astype(np.float32))
    chunks, thin = chunks_table(home).scan(), IndexParameters(max_neighbors=4, ef_construction=6, ef_search=20)
    fill_whole(home, tmp_path / "index", chunks, "small", thin)
    probe = prove(tmp_path / "index", expect(home, chunks, entry(replace(SMALL, dimensions=32))))
    assert probe.self_retrieval_alike > 0
    assert probe.self_retrieval_found + probe.self_retrieval_alike == probe.self_retrieval_asked == 200
    assert probe.model_copy(update={"lexical_stored": 1000}).holds


def test_an_index_of_other_vectors_than_the_tables_hold_is_refused(home: Home, tmp_path: Path) -> None:
    store_vectors(home, unit_vectors(20))
    manifest = build(home).manifest
    store_vectors(home, unit_vectors(20, seed=8))
    with (
        copy_of((home, manifest)) as folder,
        pytest.raises(ReleaseError, match="20 of 20 records compared have another vector"),
    ):
        prove(folder, expected((home, manifest)))


BAD_VECTORS: dict[str, tuple[list[float], str]] = {
    "NaN": ([float("nan"), *[0.1] * 7], "the vectors table is damaged: .* NaN or infinity"),
    "infinite": ([float("inf"), *[0.1] * 7], "the vectors table is damaged: .* NaN or infinity"),
    "zero": ([0.0] * 8, "the vectors table is damaged: .* zero vector"),
    "too short": ([0.1] * 7, "a stored vector is not 8 numbers long; the vectors table is damaged"),
    "too long": ([0.1] * 16, "a stored vector is not 8 numbers long; the vectors table is damaged"),
    "not of length 1": (
        [0.4] * 8,
        "^the vectors table is damaged: 1 vectors do not have the length 1; `rag verify --repair` deletes such vectors, ",
    ),
    "empty": ([], "a stored vector is not 8 numbers long; the vectors table is damaged"),
}


def spoil(home: Home, place: int, vector: list[float]) -> None:
    """Put another vector into the vectors table for the text of one chunk."""
    table = vectors_table(home)
    stored = table.scan().collect()
    text_hash = chunks_table(home).scan().collect().sort("chunk_id")["text_hash"][place]
    pairs = zip(stored["text_hash"], stored["vector"].to_list(), strict=True)
    spoilt = [vector if name == text_hash else one for name, one in pairs]
    table.overwrite(stored.with_columns(vector=pl.Series(spoilt, dtype=pl.List(pl.Float32))))


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("what", BAD_VECTORS)
def test_a_vector_no_index_may_hold_is_refused_in_the_sample(home: Home, what: str) -> None:
    vector, says = BAD_VECTORS[what]
    hold(home, range(40))
    spoil(home, 4, vector)
    with pytest.raises(ReleaseError, match=says):
        expect(home, chunks_table(home).scan(), EIGHT)


@pytest.mark.parametrize("what", BAD_VECTORS)
def test_a_vector_no_index_may_hold_is_refused_outside_the_sample_too(home: Home, what: str) -> None:
    vector, says = BAD_VECTORS[what]
    hold(home, range(40))
    spoil(home, 4, vector)
    with pytest.raises(ReleaseError, match=says):
        expect(home, chunks_table(home).scan(), EIGHT, size=2)


@pytest.mark.parametrize("size", [2, 200])
def test_a_vector_that_is_missing_is_refused_inside_and_outside_the_sample(home: Home, size: int) -> None:
    hold(home, range(40))
    stored, chunks = vectors_table(home).scan().collect(), chunks_table(home).scan().collect()
    lost = chunks.sort("chunk_id")["text_hash"][37:]
    vectors_table(home).overwrite(stored.filter(~pl.col("text_hash").is_in(lost.implode())))
    with pytest.raises(ReleaseError, match=r"^3 chunks have no vector; materialize corpus/embeddings first$"):
        expect(home, chunks_table(home).scan(), EIGHT, size=size)


def test_vectors_of_another_model_are_not_looked_at(home: Home) -> None:
    store_vectors(home, unit_vectors(12, dimensions=16), model="other")
    others = vectors_table(home).scan().collect()
    store_vectors(home, unit_vectors(12))
    vectors_table(home).append(others)
    assert expect(home, chunks_table(home).scan(), EIGHT).vectors == 12


def nearest_ten(vectors: Vectors, query: Vectors) -> Vectors:
    """Similarities of the (at most) ten nearest, best first."""
    return -np.sort(-(vectors @ query))[:10]


@pytest.mark.parametrize(("count", "block"), [(1, 9), (9, 9), (10, 9), (11, 99), (200, 16), (200, 8_192)])
def test_the_tenth_nearest_is_that_of_exact_search_and_the_last_where_there_are_fewer(
    home: Home, monkeypatch: pytest.MonkeyPatch, count: int, block: int
) -> None:
    """Whether all vectors are looked at together or one block after the other."""
    monkeypatch.setattr(vectors_of, "_READ_ROWS", block)
    vectors = NUMBERS[:count]
    ids = hold(home, range(count))
    found = expect(home, chunks_table(home).scan(), EIGHT)
    place = {name: number for number, name in enumerate(ids)}
    exact = [nearest_ten(vectors, vectors[place[name]])[-1] for name in found.sample["chunk_id"]]
    assert found.vectors == count
    np.testing.assert_allclose(found.tenth, exact, atol=1e-6)
    assert build(home).manifest.probe.recall_at_10 == 1.0


def test_equal_texts_in_many_documents_count_each_and_tie_for_the_tenth_place(home: Home) -> None:
    pages = {f"copy{number:02}.md": "# Twice\n\nSaid again and again." for number in range(14)}
    pages |= {f"own{number}.md": f"# Own {number}\n\nSaid once by {number}." for number in range(3)}
    manifest = release_of(home, pages).manifest
    found = expect(home, chunks_table(home).scan(), manifest.model)
    copies = found.sample["vector"].to_list().count(found.sample["vector"].mode().to_list()[0])
    assert (found.vectors, copies) == (17, 14)
    assert sum(np.isclose(found.tenth, 1.0, atol=1e-6)) == 14, "of fourteen equals the tenth is as near as the first"
    assert manifest.probe.recall_at_10 == 1.0
    assert manifest.probe.self_retrieval_found == 17, "one of ten equals that came back stands for the one asked for"


def test_recall_is_the_share_of_the_truly_nearest_ten_that_a_poor_index_finds(home: Home, tmp_path: Path) -> None:
    vectors = unit_vectors(1000, dimensions=32)
    store_vectors(home, vectors)
    chunks, poor = chunks_table(home).scan(), IndexParameters(max_neighbors=8, ef_search=10)
    fill_whole(home, tmp_path / "index", chunks, "small", poor)
    wanted = expect(home, chunks, entry(replace(SMALL, dimensions=32)), size=37)  # a share of 370 has more than four digits
    recall = prove(tmp_path / "index", wanted).recall_at_10
    hits = 0
    with chroma.client(tmp_path / "index") as opened:
        collection = opened.get_collection(chroma.COLLECTION, embedding_function=None)
        for chunk in wanted.sample["chunk_id"]:
            query = vectors[int(chunk[1:])]
            [found] = collection.query(query_embeddings=query.reshape(1, -1), n_results=10, include=[])["ids"]
            near = vectors @ query
            exact = {f"c{place:05d}" for place in np.flatnonzero(near > np.sort(near)[-10] - 1e-4)}  # a tie is a hit
            hits += len(exact & set(found))
    assert recall == round(hits / 370, 4)
    assert recall is not None and 0.8 < recall < 1.0, "an index this poor must miss some, or nothing was tested"


def test_half_the_sample_is_of_new_records_and_a_quarter_as_many_deleted_ones_are_asked_for(home: Home) -> None:
    ids = hold(home, range(120))
    rows = chunks_table(home).scan()
    new, gone = ids[100:], pl.col("chunk_id").is_in(ids[:30])
    found = expect(home, rows.filter(~gone), EIGHT, added=new, gone=rows.filter(gone), size=20)
    sampled = set(found.sample["chunk_id"])
    assert len(sampled & set(new)) >= 10
    assert len(sampled) <= 20 and sampled <= set(ids[30:])
    assert found.gone.height == 5 and set(found.gone["chunk_id"]) <= set(ids[:30])
    for frame in (found.sample, found.gone):
        places = [int(chunk[1:]) for chunk in frame["chunk_id"]]
        np.testing.assert_array_equal(np.array(frame["vector"].to_list(), np.float32), NUMBERS[places])
