"""Vectors and graphs go with the releases that need them, and stay while a release cannot say what it needs."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.query_vectors import query_vectors, query_vectors_table
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import CHUNKS_FILE, MANIFEST_FILE, Home
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.index.verify import verify_release
from tests.support.four_days import built, clean, home, left, oldest_first, point
from tests.support.release_damage import cut_in_half, delete_records, writable
from tests.support.small_releases import NOW, SMALL, CountingEncoder, SmallModel

__all__ = ["home"]


def texts_with_vectors(home: Home, model: str = SMALL.fingerprint) -> set[str]:
    return set(vectors_table(home).scan().filter(pl.col("model") == model).collect()["text_hash"])


def test_vectors_go_with_the_releases_and_whatever_is_needed_can_still_be_built(home: Home) -> None:
    made = oldest_first(home)
    point(home, "production", made[1])
    needed = [set(contents(home.release(one.id), one).collect()["text_hash"]) for one in made]
    assert texts_with_vectors(home) == set().union(*needed)
    done = clean(home)
    assert [one.id for one in done.removed] == [made[2].id, made[0].id]
    assert done.vectors == 2
    assert texts_with_vectors(home) == needed[1] | needed[3]
    for one in (made[1], made[3]):
        assert verify_release(home, one.id) == ()
        delete_records(home.release(one.id), 1)
        twin = rebuild_release(home, one, run_id="repair", now=NOW + timedelta(days=9)).manifest
        assert twin.fingerprint == one.fingerprint
        assert verify_release(home, twin.id) == ()
    encoder = CountingEncoder()
    report = update_embeddings(home, SMALL, lambda: encoder)  # type: ignore[arg-type]
    assert (report.embedded, encoder.seen) == (0, []), "a stored chunk lost its vector"


def test_vectors_of_stored_chunks_stay_though_no_release_holds_them_yet(home: Home) -> None:
    *_, before, newest = oldest_first(home)
    shutil.rmtree(home.release(newest.id))
    stored = set(chunks_table(home).scan().collect()["text_hash"])
    assert clean(home).vectors == 2
    assert texts_with_vectors(home) == stored | set(contents(home.release(before.id), before).collect()["text_hash"])


@pytest.mark.slow
def test_a_kept_release_of_another_model_keeps_its_vectors_and_they_go_with_it(home: Home) -> None:
    first = built(home, 4, SmallModel(fingerprint="other"))
    second = built(home, 5)
    point(home, "production", first)
    clean(home)
    assert len(texts_with_vectors(home, "other")) == 2
    delete_records(home.release(first.id), 1)
    twin = rebuild_release(home, first, run_id="repair", now=NOW + timedelta(days=6)).manifest
    assert twin.fingerprint == first.fingerprint
    shutil.rmtree(home.release(twin.id))
    point(home, "production", second)
    assert clean(home).vectors == 0, "production pointed at it before"
    point(home, "production", built(home, 7))
    done = clean(home)
    assert [one.id for one in done.removed] == [first.id]
    assert done.vectors == 2
    assert texts_with_vectors(home, "other") == set()


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "its manifest is torn": lambda release: (release / MANIFEST_FILE).write_bytes(b'{"id"'),
    "its chunks are torn": lambda release: cut_in_half(release / CHUNKS_FILE),
    "its chunks are gone": lambda release: (release / CHUNKS_FILE).unlink(),
    "its chunks are others": lambda release: (
        pl.read_parquet(writable(release / CHUNKS_FILE)).clear().write_parquet(release / CHUNKS_FILE)
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_no_vector_goes_while_a_kept_release_cannot_say_what_it_needs(
    home: Home, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept, gone, *_ = oldest_first(home)
    point(home, "production", kept)
    before = texts_with_vectors(home)
    UNREADABLE[what](home.release(kept.id))
    done = clean(home)
    assert gone.id in [one.id for one in done.removed]
    assert kept.id in left(home), "what a channel points at stays, readable or not"
    assert done.vectors == 0
    assert texts_with_vectors(home) == before
    if "chunks" in what:
        [says] = [message for message in caplog.messages if message.startswith("no vector is removed: ")]
        assert kept.id in says, "people are told which release it is"


OTHER, UNUSED, KILLED_EXPORT = "0" * 31 + "1", "0" * 31 + "2", f".staging-{'0' * 31}3"


def graph(home: Home, model: str) -> None:
    (home.models / model).mkdir(parents=True)
    (home.models / model / "graph.onnx").write_bytes(b"graph")
    (home.models / model / "export.json").write_text("{}", encoding="utf-8")


def test_graphs_and_query_vectors_of_models_nobody_uses_go(home: Home) -> None:
    first = built(home, 4, SmallModel(fingerprint=OTHER))
    built(home, 5)
    point(home, "production", first)
    for model in (SMALL.fingerprint, OTHER, UNUSED):
        query_vectors(home, model, CountingEncoder, [f"a question to {model}"])
        graph(home, model)
    (home.models / KILLED_EXPORT).mkdir()
    would = clean(home, dry_run=True)
    assert (would.query_vectors, would.exports) == (1, (KILLED_EXPORT, UNUSED))
    assert (home.models / UNUSED).is_dir()
    done = clean(home)
    assert (done.query_vectors, done.exports) == (1, (KILLED_EXPORT, UNUSED))
    assert {path.name for path in home.models.iterdir() if path.is_dir()} == {SMALL.fingerprint, OTHER}
    assert set(query_vectors_table(home).scan().collect()["model"]) == {SMALL.fingerprint, OTHER}
    assert {"query_vectors": 1, "exports": [KILLED_EXPORT, UNUSED]}.items() <= done.told.items()
    assert (clean(home).query_vectors, clean(home).exports) == (0, ())


def test_neither_graphs_nor_query_vectors_go_while_a_kept_release_cannot_say_which_it_needs(home: Home) -> None:
    torn = oldest_first(home)[0]
    file = writable(home.release(torn.id) / MANIFEST_FILE)
    file.write_bytes(b'{"id"')
    graph(home, UNUSED)
    query_vectors(home, UNUSED, CountingEncoder, ["a question"])
    done = clean(home)
    assert (done.exports, done.query_vectors) == ((), 0)
    assert (home.models / UNUSED).is_dir()
    assert query_vectors_table(home).scan().collect()["model"].to_list() == [UNUSED]
