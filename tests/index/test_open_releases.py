"""An open release is a view: reading changes no byte, and nothing is left behind."""

import contextlib
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import file_sha256
from rag_pipeline.home import CHROMA_FOLDER, DATABASE, MANIFEST_FILE, SEALED_DATABASE, Home
from rag_pipeline.index import chroma
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.index.retrieve import open_release
from tests.support.index_pages import DIED_WITH_A_VIEW, PAGES, built, bytes_of
from tests.support.small_releases import (
    NOW,
    SmallModel,
    bag_of_words,
    build,
    chunker,
    real_encoder,
    real_model,
    recipe,
    store_documents,
    store_vectors,
    unit_vectors,
)

__all__ = ["built"]


def test_reading_leaves_every_byte_as_the_manifest_says(built: tuple[Home, Manifest]) -> None:
    home, manifest = built
    sealed = {name: entry.sha256 for name, entry in manifest.files.items()}
    for _ in range(3):
        with open_release(home, manifest.id) as release:
            assert release.search(bag_of_words("thirty days"), 1)[0].document_id == "handbook/leave.md"
    with open_release(home, manifest.id) as one, open_release(home, manifest.id) as two:
        assert one.search(bag_of_words("train"), 3) == two.search(bag_of_words("train"), 3)
    assert bytes_of(home, manifest) == sealed
    assert not list(home.views.iterdir()), "a view was left behind"


def test_a_release_opened_without_a_view_would_be_written_to(built: tuple[Home, Manifest], tmp_path: Path) -> None:
    """Why readers open a copy: the day this fails, Chroma has learnt to read without writing and views can go."""
    home, manifest = built
    folder = tmp_path / "writable"
    shutil.copytree(home.release(manifest.id), folder)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    (folder / CHROMA_FOLDER / SEALED_DATABASE).rename(folder / CHROMA_FOLDER / DATABASE)
    before = file_sha256(folder / CHROMA_FOLDER / DATABASE)
    with chroma.client(folder / CHROMA_FOLDER) as client:
        collection = client.get_collection(chroma.COLLECTION, embedding_function=None)
        collection.query(query_embeddings=bag_of_words("train").reshape(1, -1), n_results=1)
    assert file_sha256(folder / CHROMA_FOLDER / DATABASE) != before


def test_an_open_release_outlives_its_directory(home: Home, tmp_path: Path) -> None:
    store_vectors(home, unit_vectors(20))
    manifest = build(home).manifest
    with open_release(home, manifest.id) as release:
        shutil.rmtree(tmp_path / "releases" / manifest.id)
        assert len(release.search(unit_vectors(20)[3], 20)) == 20


def test_views_of_processes_that_died_are_swept_and_those_of_living_ones_stay(built: tuple[Home, Manifest]) -> None:
    home, manifest = built
    left = home.views / uuid.uuid4().hex
    subprocess.run([sys.executable, "-c", DIED_WITH_A_VIEW, str(left)], check=True)
    assert left.is_dir()
    with open_release(home, manifest.id), open_release(home, manifest.id) as second:
        assert not left.exists()
        assert second.search(bag_of_words("train"), 1)


@pytest.mark.parametrize(
    "name", ["20200101-000000-deadbeef", "../x", "..", ".", "", ".staging-x", "{id}/../{id}", "{id}/chroma", "{home}/{id}"]
)
def test_only_the_name_of_a_release_opens_one(built: tuple[Home, Manifest], name: str) -> None:
    home, manifest = built
    asked = name.format(id=manifest.id, home=home.releases)
    home.release(".staging-x").mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (home.root / "x").symlink_to(home.release(manifest.id))
    with pytest.raises(ReleaseError, match="no release") as caught, open_release(home, asked):
        pass
    assert "`rag releases` lists them" in str(caught.value)


def test_a_damaged_manifest_is_named(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "releases" / "broken"
    folder.mkdir(parents=True)
    with pytest.raises(ReleaseError, match=r"broken is not a release: it has no manifest\.json"):
        read_manifest(folder)
    (folder / MANIFEST_FILE).write_text('{"id": "broken"', encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"manifest\.json is damaged"), open_release(home, "broken"):
        pass


def test_a_release_of_the_real_model_finds_the_page_that_answers(home: Home) -> None:
    store_documents(home, "handbook", PAGES)
    update_chunks(home, ["handbook"], chunker())
    update_embeddings(home, real_model(), real_encoder)
    model = SmallModel(fingerprint=real_model().fingerprint, dimensions=real_model().dimensions)
    manifest = build_release(home, recipe(model), run_id="test", now=NOW).manifest
    with open_release(home, manifest.id) as release:
        hits = release.search(real_encoder().queries(["How much vacation do I get?"])[0], 3)
    assert hits[0].document_id == "handbook/leave.md"
    assert hits[0].text == PAGES["leave.md"]
    assert 1 >= hits[0].score > hits[1].score
