import json
import math
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import MANIFEST_FILE, Home
from rag_pipeline.index import build as build_module
from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import IndexParameters, Manifest, all_manifests, read_manifest
from rag_pipeline.index.retrieve import open_release
from tests.support.index_pages import PAGES, built, bytes_of
from tests.support.small_releases import (
    NOW,
    SmallModel,
    bag_of_words,
    build,
    chunker,
    recipe,
    release_of,
    store_documents,
    store_vectors,
    unit_vectors,
)

__all__ = ["built"]


def releases(home: Home) -> list[str]:
    """Everything that lies where the releases lie, locks apart."""
    return sorted(path.name for path in home.releases.iterdir() if not path.name.endswith(".lock"))


def test_a_release_holds_every_chunk_with_its_text_and_payload(built: tuple[Home, Manifest]) -> None:
    home, manifest = built
    expected = {row["chunk_id"]: row for row in chunks_table(home).scan().collect().iter_rows(named=True)}
    with chroma.reader(home, manifest) as collection:
        found = collection.get(include=["documents", "metadatas", "embeddings"])
    assert set(found["ids"]) == set(expected)
    for chunk, text, payload, vector in zip(
        found["ids"], found["documents"], found["metadatas"], found["embeddings"], strict=True
    ):
        row = expected[chunk]
        assert text == row["text"]
        assert payload == {
            name: row[name] for name in ("document_id", "source", "title", "uri", "heading", "start", "end", "payload_hash")
        }
        np.testing.assert_allclose(vector, bag_of_words(text), rtol=1e-6)


def test_the_manifest_says_what_the_release_is_made_of(built: tuple[Home, Manifest]) -> None:
    home, manifest = built
    assert read_manifest(home.release(manifest.id)) == manifest
    assert (manifest.documents, manifest.chunks) == (3, 3)
    assert manifest.id == f"20260301-020000-{manifest.fingerprint[:8]}"
    assert manifest.fingerprint == recipe().fingerprint(chunks_table(home).scan())
    assert manifest.probe.ids_expected == manifest.probe.ids_stored == 3
    assert manifest.probe.self_retrieval_found == manifest.probe.self_retrieval_asked == 3
    assert manifest.files.keys() == bytes_of(home, manifest).keys()
    assert manifest.size_bytes == sum(
        path.stat().st_size for path in home.release(manifest.id).rglob("*") if path.is_file() and path.name != MANIFEST_FILE
    )


def test_columns_of_the_source_become_metadata_and_a_null_is_left_out(home: Home) -> None:
    [chunk] = store_vectors(home, unit_vectors(1))
    rows = chunks_table(home).scan().collect()
    metadata = json.dumps({"team": "ops", "stars": 3, "score": 0.5, "draft": True, "none": None, "source": "forged"})
    chunks_table(home).overwrite(rows.with_columns(metadata=pl.lit(metadata), uri=pl.lit(None, pl.String)))
    manifest = build(home).manifest
    with chroma.reader(home, manifest) as collection:
        payload = collection.get(ids=[chunk])["metadatas"][0]
        assert collection.get(where={"team": "ops"})["ids"] == [chunk]
    assert {name: payload[name] for name in ("team", "stars", "score", "draft")} == {
        "team": "ops",
        "stars": 3,
        "score": 0.5,
        "draft": True,
    }
    assert payload["source"] == "numbers"
    assert not {"none", "uri"} & payload.keys()


def test_the_same_content_is_the_same_release_and_is_not_built_again(home: Home) -> None:
    first = release_of(home, PAGES)
    before = releases(home)
    again = release_of(home, PAGES, now=NOW + timedelta(days=1))
    assert (first.new, again.new) == (True, False)
    assert again.manifest == first.manifest
    assert releases(home) == before == [first.manifest.id]


def test_any_change_of_content_or_parameters_is_another_release(home: Home) -> None:
    first = release_of(home, PAGES).manifest
    edited = release_of(home, {**PAGES, "travel.md": "# Travel\n\nBy bus."}).manifest
    assert edited.id != first.id
    moved = release_of(home, {**PAGES, "travel.md": "\n\n# Travel\n\nBy bus."}).manifest
    assert moved.fingerprint not in {first.fingerprint, edited.fingerprint}, "offsets are served, so they count"
    plain, other = recipe(), recipe(SmallModel(fingerprint="other"))
    denser = build_module.Recipe(plain.model, plain.chunker, plain.sources, IndexParameters(ef_search=400))
    assert len({one.fingerprint(chunks_table(home).scan()) for one in (plain, other, denser)}) == 3


def test_a_later_release_leaves_the_earlier_one_as_it_was(home: Home, tmp_path: Path) -> None:
    first = release_of(home, PAGES).manifest
    before = bytes_of(home, first)
    second = release_of(home, {"only.md": "# Only"}, now=NOW + timedelta(days=1)).manifest
    assert bytes_of(home, first) == before == {name: entry.sha256 for name, entry in first.files.items()}
    assert [manifest.id for manifest in all_manifests(tmp_path / "releases")] == [second.id, first.id]


def test_a_chunk_without_a_vector_refuses_the_build_and_leaves_nothing_behind(home: Home) -> None:
    store_documents(home, "handbook", PAGES)
    update_chunks(home, ["handbook"], chunker())
    model = SmallModel()
    update_embeddings(home, model, model.load)  # type: ignore[arg-type]
    stored = vectors_table(home).scan().collect()
    vectors_table(home).overwrite(stored.head(stored.height - 1))
    with pytest.raises(ReleaseError, match="1 chunks have no vector; materialize corpus/embeddings first"):
        build(home)
    assert releases(home) == []


def test_vectors_of_another_model_are_no_vectors_of_this_one(home: Home) -> None:
    store_vectors(home, unit_vectors(3), model="other")
    with pytest.raises(ReleaseError, match="3 chunks have no vector"):
        build(home)


def test_a_corpus_without_a_chunk_is_no_release(home: Home) -> None:
    store_documents(home, "handbook", {})
    update_chunks(home, ["handbook"], chunker())
    with pytest.raises(ReleaseError, match="no chunk to build a release from"):
        build(home)
    assert releases(home) == []


def test_a_build_that_fails_in_the_middle_leaves_no_release(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    store_vectors(home, unit_vectors(5))

    def out_of_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "write_json", out_of_space)
        with pytest.raises(OSError, match="No space left"):
            build(home)
    assert releases(home) == []
    assert build(home).new


def test_what_a_killed_build_left_is_no_release_and_the_next_build_removes_it(home: Home, tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from rag_pipeline.home import Home
from rag_pipeline.index import build
from tests.support.small_releases import store_vectors, unit_vectors, build as run
build.write_json = lambda *_: os._exit(9)
home = Home(Path({str(tmp_path)!r}))
store_vectors(home, unit_vectors(5))
run(home)
"""
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False, capture_output=True).returncode == 9
    [left] = releases(home)
    assert left.startswith(".staging-")
    assert all_manifests(tmp_path / "releases") == []
    with pytest.raises(ReleaseError), open_release(home, left):
        pass
    manifest = build(home).manifest
    assert releases(home) == [manifest.id]


def test_the_files_of_a_release_are_read_only(built: tuple[Home, Manifest]) -> None:
    home, manifest = built
    for name in manifest.files:
        mode = (home.release(manifest.id) / name).stat().st_mode
        assert not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), name


@given(st.integers(1, 1_000_000))
def test_rows_are_added_in_the_fewest_even_batches_chroma_takes(rows: int) -> None:
    size = chroma.batch_rows(rows)
    batches = math.ceil(rows / size)
    assert 1 <= size <= 5_000
    assert batches == math.ceil(rows / 5_000)
    assert rows - (batches - 1) * size > size - batches, "the last batch is a small tail"


@pytest.mark.parametrize("rows", [1, 2, 999, 1000, 1001, pytest.param(5001, marks=pytest.mark.slow)])
def test_every_row_of_a_collection_is_found_by_its_own_vector_after_reopening(home: Home, rows: int) -> None:
    vectors = unit_vectors(rows)
    ids = store_vectors(home, vectors)
    manifest = build(home).manifest
    with chroma.reader(home, manifest) as collection:
        assert collection.count() == rows
        assert set(collection.get(include=[])["ids"]) == set(ids)
        nearest: list[str] = []
        for start in range(0, rows, 500):
            found = collection.query(query_embeddings=vectors[start : start + 500], n_results=1, include=[])
            nearest += [names[0] for names in found["ids"]]
    assert nearest == ids
    assert manifest.probe.self_retrieval_asked == min(rows, 200)


def test_the_index_uses_the_parameters_its_manifest_states(built: tuple[Home, Manifest]) -> None:
    home, manifest = built
    with chroma.reader(home, manifest) as collection:
        used = collection.configuration["hnsw"]
    assert {name: used[name] for name in IndexParameters.model_fields} == manifest.index.model_dump()
