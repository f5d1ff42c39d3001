"""A Chroma client that is given a release's folder, as anybody would try, harms nothing and nobody."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.files import write_json
from rag_pipeline.home import CHROMA_FOLDER, DATABASE, MANIFEST_FILE, SEALED_DATABASE, Home
from rag_pipeline.index.manifest import Manifest, all_manifests, damaged_files, foreign_files, read_manifest
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.index.verify import verify_release
from tests.support.index_pages import PAGES, built, bytes_of
from tests.support.small_releases import NOW, bag_of_words, build, release_of

__all__ = ["built"]

CHROMA_ALONE = """
import sys
import chromadb
client = chromadb.PersistentClient(sys.argv[1])
assert client.list_collections() == [], "what serves is found"
collection = client.get_or_create_collection("public", configuration={"hnsw": {"sync_threshold": 10, "batch_size": 5}})
collection.add(ids=[str(n) for n in range(50)], embeddings=[[float(n), 1.0] for n in range(50)], documents=["mine"] * 50)
assert collection.count() == 50
"""


def given_to_a_client(folder: Path) -> None:
    """Chroma alone makes a collection with 50 records there; whoever runs it is root, whom modes do not stop."""
    done = subprocess.run([sys.executable, "-c", CHROMA_ALONE, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / DATABASE).is_file() and list(folder.glob("*/data_level0.bin"))


def named(home: Home, manifest: Manifest) -> dict[str, str]:
    """The bytes of the files that the manifest names."""
    return {name: one for name, one in bytes_of(home, manifest).items() if name in manifest.files}


def answers(home: Home, release: str) -> list[tuple[str, float]]:
    with open_release(home, release) as opened:
        return [(hit.chunk_id, hit.score) for hit in opened.search(bag_of_words("thirty days"), 5)]


@pytest.fixture
def own(built: tuple[Home, Manifest], tmp_path: Path) -> tuple[Home, Manifest]:
    """A release of this test's own."""
    home, manifest = built
    shutil.copytree(home.root, tmp_path / "home")
    return Home(tmp_path / "home"), manifest


def test_a_client_that_writes_to_it_changes_no_byte_no_answer_and_builds_nothing_again(own: tuple[Home, Manifest]) -> None:
    home, manifest = own
    release, before, sealed = home.release(manifest.id), answers(home, manifest.id), named(home, manifest)
    for folder in (release / CHROMA_FOLDER, release, home.releases):
        given_to_a_client(folder)
    assert named(home, manifest) == sealed
    assert damaged_files(release, manifest) == () == verify_release(home, manifest.id)
    assert {f"{CHROMA_FOLDER}/{DATABASE}", DATABASE} <= set(foreign_files(release, manifest)), "`rag gc` names them"
    assert answers(home, manifest.id) == before
    again = build(home)
    assert not again.new and again.manifest.id == manifest.id and again.damaged == ()
    assert [one.id for one in all_manifests(home.releases)] == [manifest.id]


def test_the_next_release_is_built_upon_one_that_a_client_was_given_and_takes_nothing_of_it(
    own: tuple[Home, Manifest],
) -> None:
    home, manifest = own
    given_to_a_client(home.release(manifest.id) / CHROMA_FOLDER)
    second = release_of(home, PAGES | {"more.md": "# More\n\none more page"}, now=NOW.replace(hour=5)).manifest
    assert second.origin.base == manifest.id, second.origin.rebuilt_because
    assert verify_release(home, second.id) == ()
    assert len([name for name in second.files if name.endswith("data_level0.bin")]) == 1
    assert f"{CHROMA_FOLDER}/{DATABASE}" not in second.files and f"{CHROMA_FOLDER}/{SEALED_DATABASE}" in second.files


@pytest.mark.parametrize("name", ["chroma/stray", "chroma/sealed.sqlite3-journal", "notes.txt", "lexical/chroma.sqlite3"])
def test_a_file_that_no_client_makes_is_damage_as_ever(own: tuple[Home, Manifest], name: str) -> None:
    home, manifest = own
    (home.release(manifest.id) / name).write_bytes(b"x")
    assert damaged_files(home.release(manifest.id), manifest) == (name,)


def as_an_older_pipeline_built_it(home: Home, manifest: Manifest) -> Manifest:
    """The database under the name that Chroma looks for."""
    release = home.release(manifest.id)
    files = dict(manifest.files)
    files[f"{CHROMA_FOLDER}/{DATABASE}"] = files.pop(f"{CHROMA_FOLDER}/{SEALED_DATABASE}")
    (release / CHROMA_FOLDER / SEALED_DATABASE).rename(release / CHROMA_FOLDER / DATABASE)
    write_json(release / MANIFEST_FILE, manifest.model_copy(update={"files": files}).model_dump(mode="json"))
    return read_manifest(release)


def test_a_release_of_an_older_pipeline_is_read_verified_and_built_upon(own: tuple[Home, Manifest]) -> None:
    home, manifest = own
    before = answers(home, manifest.id)
    older = as_an_older_pipeline_built_it(home, manifest)
    assert answers(home, older.id) == before and verify_release(home, older.id) == ()
    assert not build(home).new, "its fingerprint is the same"
    second = release_of(home, PAGES | {"more.md": "# More\n\none more page"}, now=NOW.replace(hour=5)).manifest
    assert second.origin.base == older.id and verify_release(home, second.id) == ()
    (home.release(older.id) / CHROMA_FOLDER / f"{DATABASE}-journal").write_bytes(b"x")
    assert damaged_files(home.release(older.id), older) == (f"{CHROMA_FOLDER}/{DATABASE}-journal",), "SQLite would replay it"


def test_a_copy_under_its_old_name_is_what_chroma_opens(own: tuple[Home, Manifest], tmp_path: Path) -> None:
    """The name alone keeps a client away: nothing else was changed of what the build proved."""
    home, manifest = own
    shutil.copytree(home.release(manifest.id) / CHROMA_FOLDER, tmp_path / "copy")
    (tmp_path / "copy" / SEALED_DATABASE).rename(tmp_path / "copy" / DATABASE)
    code = f"import chromadb; print(chromadb.PersistentClient({str(tmp_path / 'copy')!r}).get_collection('public').count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(manifest.chunks)], done.stderr
