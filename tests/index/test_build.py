import contextlib
import json
import math
import shutil
import stat
import subprocess
import sys
import uuid
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
from rag_pipeline.files import file_sha256
from rag_pipeline.index import build as build_module
from rag_pipeline.index import chroma
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import FILE, IndexParameters, Manifest, all_manifests, read_manifest
from rag_pipeline.index.retrieve import open_release
from tests.corpus.small import (
    NOW,
    SmallModel,
    bag_of_words,
    build,
    chunker,
    real_encoder,
    real_model,
    recipe,
    release_of,
    store_documents,
    store_vectors,
    unit_vectors,
)

PAGES = {"leave.md": "# Leave\n\nEveryone has thirty days.", "travel.md": "# Travel\n\nBy train.", "it's.md": "# Émile 🙂"}


def releases(home: Path) -> list[str]:
    """Everything that lies where the releases lie, locks apart."""
    return sorted(path.name for path in (home / "releases").iterdir() if not path.name.endswith(".lock"))


def bytes_of(home: Path, manifest: Manifest) -> dict[str, str]:
    folder = home / "releases" / manifest.id
    return {p.relative_to(folder).as_posix(): file_sha256(p) for p in folder.rglob("*") if p.is_file() and p.name != FILE}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A release nobody may change."""
    home = tmp_path_factory.mktemp("built")
    return home, release_of(home, PAGES).manifest


def test_a_release_holds_every_chunk_with_its_text_and_payload(built: tuple[Path, Manifest]) -> None:
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


def test_the_manifest_says_what_the_release_is_made_of(built: tuple[Path, Manifest]) -> None:
    home, manifest = built
    assert read_manifest(home / "releases" / manifest.id) == manifest
    assert (manifest.documents, manifest.chunks) == (3, 3)
    assert manifest.id == f"20260301-020000-{manifest.fingerprint[:8]}"
    assert manifest.fingerprint == recipe().fingerprint(chunks_table(home).scan())
    assert manifest.probe.ids_expected == manifest.probe.ids_stored == 3
    assert manifest.probe.self_retrieval_found == manifest.probe.self_retrieval_asked == 3
    assert manifest.files.keys() == bytes_of(home, manifest).keys()
    assert manifest.size_bytes == sum(
        path.stat().st_size for path in (home / "releases" / manifest.id).rglob("*") if path.is_file() and path.name != FILE
    )


def test_columns_of_the_source_become_metadata_and_a_null_is_left_out(tmp_path: Path) -> None:
    [chunk] = store_vectors(tmp_path, unit_vectors(1))
    rows = chunks_table(tmp_path).scan().collect()
    metadata = json.dumps({"team": "ops", "stars": 3, "score": 0.5, "draft": True, "none": None, "source": "forged"})
    chunks_table(tmp_path).overwrite(rows.with_columns(metadata=pl.lit(metadata), uri=pl.lit(None, pl.String)))
    manifest = build(tmp_path).manifest
    with chroma.reader(tmp_path, manifest) as collection:
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


def test_the_same_content_is_the_same_release_and_is_not_built_again(tmp_path: Path) -> None:
    first = release_of(tmp_path, PAGES)
    before = releases(tmp_path)
    again = release_of(tmp_path, PAGES, now=NOW + timedelta(days=1))
    assert (first.new, again.new) == (True, False)
    assert again.manifest == first.manifest
    assert releases(tmp_path) == before == [first.manifest.id]


def test_any_change_of_content_or_parameters_is_another_release(tmp_path: Path) -> None:
    first = release_of(tmp_path, PAGES).manifest
    edited = release_of(tmp_path, {**PAGES, "travel.md": "# Travel\n\nBy bus."}).manifest
    assert edited.id != first.id
    moved = release_of(tmp_path, {**PAGES, "travel.md": "\n\n# Travel\n\nBy bus."}).manifest
    assert moved.fingerprint not in {first.fingerprint, edited.fingerprint}, "offsets are served, so they count"
    plain, other = recipe(), recipe(SmallModel(fingerprint="other"))
    denser = build_module.Recipe(plain.model, plain.chunker, plain.sources, IndexParameters(ef_search=400))
    assert len({one.fingerprint(chunks_table(tmp_path).scan()) for one in (plain, other, denser)}) == 3


def test_a_later_release_leaves_the_earlier_one_as_it_was(tmp_path: Path) -> None:
    first = release_of(tmp_path, PAGES).manifest
    before = bytes_of(tmp_path, first)
    second = release_of(tmp_path, {"only.md": "# Only"}, now=NOW + timedelta(days=1)).manifest
    assert bytes_of(tmp_path, first) == before == {name: entry.sha256 for name, entry in first.files.items()}
    assert [manifest.id for manifest in all_manifests(tmp_path / "releases")] == [second.id, first.id]


def test_a_chunk_without_a_vector_refuses_the_build_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", PAGES)
    update_chunks(tmp_path, ["handbook"], chunker())
    model = SmallModel()
    update_embeddings(tmp_path, model, model.load)  # type: ignore[arg-type]
    stored = vectors_table(tmp_path).scan().collect()
    vectors_table(tmp_path).overwrite(stored.head(stored.height - 1))
    with pytest.raises(ReleaseError, match="1 chunks have no vector; materialize corpus/embeddings first"):
        build(tmp_path)
    assert releases(tmp_path) == []


def test_vectors_of_another_model_are_no_vectors_of_this_one(tmp_path: Path) -> None:
    store_vectors(tmp_path, unit_vectors(3), model="other")
    with pytest.raises(ReleaseError, match="3 chunks have no vector"):
        build(tmp_path)


def test_a_corpus_without_a_chunk_is_no_release(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", {})
    update_chunks(tmp_path, ["handbook"], chunker())
    with pytest.raises(ReleaseError, match="no chunk to build a release from"):
        build(tmp_path)
    assert releases(tmp_path) == []


def test_a_build_that_fails_in_the_middle_leaves_no_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_vectors(tmp_path, unit_vectors(5))

    def out_of_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "write_json", out_of_space)
        with pytest.raises(OSError, match="No space left"):
            build(tmp_path)
    assert releases(tmp_path) == []
    assert build(tmp_path).new


def test_what_a_killed_build_left_is_no_release_and_the_next_build_removes_it(tmp_path: Path) -> None:
    script = f"""
import os
from pathlib import Path
from rag_pipeline.index import build
from tests.corpus.small import store_vectors, unit_vectors, build as run
build.write_json = lambda *_: os._exit(9)
store_vectors(Path({str(tmp_path)!r}), unit_vectors(5))
run(Path({str(tmp_path)!r}))
"""
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False, capture_output=True).returncode == 9
    [left] = releases(tmp_path)
    assert left.startswith(".staging-")
    assert all_manifests(tmp_path / "releases") == []
    with pytest.raises(ReleaseError), open_release(tmp_path, left):
        pass
    manifest = build(tmp_path).manifest
    assert releases(tmp_path) == [manifest.id]


def test_reading_leaves_every_byte_as_the_manifest_says(built: tuple[Path, Manifest]) -> None:
    home, manifest = built
    sealed = {name: entry.sha256 for name, entry in manifest.files.items()}
    for _ in range(3):
        with open_release(home, manifest.id) as release:
            assert release.search(bag_of_words("thirty days"), 1)[0].document_id == "handbook/leave.md"
    with open_release(home, manifest.id) as one, open_release(home, manifest.id) as two:
        assert one.search(bag_of_words("train"), 3) == two.search(bag_of_words("train"), 3)
    assert bytes_of(home, manifest) == sealed
    assert not list((home / "views").iterdir()), "a view was left behind"


def test_a_release_opened_without_a_view_would_be_written_to(built: tuple[Path, Manifest], tmp_path: Path) -> None:
    """Why readers open a copy: the day this fails, Chroma has learnt to read without writing and views can go."""
    home, manifest = built
    folder = tmp_path / "writable"
    shutil.copytree(home / "releases" / manifest.id, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    with chroma.client(folder / chroma.FOLDER) as client:
        collection = client.get_collection(chroma.COLLECTION, embedding_function=None)
        collection.query(query_embeddings=bag_of_words("train").reshape(1, -1), n_results=1)
    assert {name: file_sha256(folder / name) for name in manifest.files} != {
        name: entry.sha256 for name, entry in manifest.files.items()
    }


def test_an_open_release_outlives_its_directory(tmp_path: Path) -> None:
    store_vectors(tmp_path, unit_vectors(20))
    manifest = build(tmp_path).manifest
    with open_release(tmp_path, manifest.id) as release:
        shutil.rmtree(tmp_path / "releases" / manifest.id)
        assert len(release.search(unit_vectors(20)[3], 20)) == 20


DIED_WITH_A_VIEW = """
import os, sys
from pathlib import Path
from filelock import FileLock
view = Path(sys.argv[1])
view.parent.mkdir(exist_ok=True)
FileLock(view.with_suffix(".lock")).acquire()
view.mkdir()
os._exit(0)
"""


def test_views_of_processes_that_died_are_swept_and_those_of_living_ones_stay(built: tuple[Path, Manifest]) -> None:
    home, manifest = built
    left = home / "views" / uuid.uuid4().hex
    subprocess.run([sys.executable, "-c", DIED_WITH_A_VIEW, str(left)], check=True)
    assert left.is_dir()
    with open_release(home, manifest.id), open_release(home, manifest.id) as second:
        assert not left.exists()
        assert second.search(bag_of_words("train"), 1)


def test_the_files_of_a_release_are_read_only(built: tuple[Path, Manifest]) -> None:
    home, manifest = built
    for name in manifest.files:
        mode = (home / "releases" / manifest.id / name).stat().st_mode
        assert not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), name


@given(st.integers(1, 1_000_000))
def test_rows_are_added_in_the_fewest_even_batches_chroma_takes(rows: int) -> None:
    size = chroma.batch_rows(rows)
    batches = math.ceil(rows / size)
    assert 1 <= size <= 5_000
    assert batches == math.ceil(rows / 5_000)
    assert rows - (batches - 1) * size > size - batches, "the last batch is a small tail"


@pytest.mark.parametrize("rows", [1, 2, 999, 1000, 1001, pytest.param(5001, marks=pytest.mark.slow)])
def test_every_row_of_a_collection_is_found_by_its_own_vector_after_reopening(tmp_path: Path, rows: int) -> None:
    vectors = unit_vectors(rows)
    ids = store_vectors(tmp_path, vectors)
    manifest = build(tmp_path).manifest
    with chroma.reader(tmp_path, manifest) as collection:
        assert collection.count() == rows
        assert set(collection.get(include=[])["ids"]) == set(ids)
        nearest: list[str] = []
        for start in range(0, rows, 500):
            found = collection.query(query_embeddings=vectors[start : start + 500], n_results=1, include=[])
            nearest += [names[0] for names in found["ids"]]
    assert nearest == ids
    assert manifest.probe.self_retrieval_asked == min(rows, 200)


def test_the_index_uses_the_parameters_its_manifest_states(built: tuple[Path, Manifest]) -> None:
    home, manifest = built
    with chroma.reader(home, manifest) as collection:
        used = collection.configuration["hnsw"]
    assert {name: used[name] for name in IndexParameters.model_fields} == manifest.index.model_dump()


@pytest.mark.parametrize(
    "name", ["20200101-000000-deadbeef", "../x", "..", ".", "", ".staging-x", "{id}/../{id}", "{id}/chroma", "{home}/{id}"]
)
def test_only_the_name_of_a_release_opens_one(built: tuple[Path, Manifest], name: str) -> None:
    home, manifest = built
    asked = name.format(id=manifest.id, home=home / "releases")
    (home / "releases" / ".staging-x").mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (home / "x").symlink_to(home / "releases" / manifest.id)
    with pytest.raises(ReleaseError, match="no release") as caught, open_release(home, asked):
        pass
    assert "`rag releases` lists them" in str(caught.value)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "releases" / "broken"
    folder.mkdir(parents=True)
    with pytest.raises(ReleaseError, match=r"broken is not a release: it has no manifest\.json"):
        read_manifest(folder)
    (folder / FILE).write_text('{"id": "broken"', encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"manifest\.json is damaged"), open_release(tmp_path, "broken"):
        pass


def test_a_release_of_the_real_model_finds_the_page_that_answers(tmp_path: Path) -> None:
    store_documents(tmp_path, "handbook", PAGES)
    update_chunks(tmp_path, ["handbook"], chunker())
    update_embeddings(tmp_path, real_model(), real_encoder)
    model = SmallModel(fingerprint=real_model().fingerprint, dimensions=real_model().dimensions)
    manifest = build_release(tmp_path, recipe(model), run_id="test", now=NOW).manifest
    with open_release(tmp_path, manifest.id) as release:
        hits = release.search(real_encoder().queries(["How much vacation do I get?"])[0], 3)
    assert hits[0].document_id == "handbook/leave.md"
    assert hits[0].text == PAGES["leave.md"]
    assert 1 >= hits[0].score > hits[1].score
