"""`verify_release` and `rebuild_release`: whatever is not as it was built is named, and built again where that can be."""

import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import CHUNKS_FILE, LEXICAL_FOLDER, MANIFEST_FILE, Home
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.manifest import Manifest, all_manifests, damaged_files, foreign_files, read_manifest
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.index.verify import verify_release
from tests.support.release_damage import (
    SQLITE,
    cut_in_half,
    delete_records,
    flip_a_bit,
    journal_that_changes_every_text,
    overwrite_a_vector,
    reseal,
    store,
    vectors_file,
    writable,
)
from tests.support.small_releases import NOW, build, release_of, store_vectors, unit_vectors

ROWS = 40


@pytest.fixture
def release(home: Home) -> Path:
    """The directory of a release of forty records."""
    store_vectors(home, unit_vectors(ROWS))
    return home.release(build(home).manifest.id)


def problems(release: Path) -> tuple[str, ...]:
    return verify_release(Home(release.parents[1]), release.name)


def rebuilt(release: Path) -> Manifest:
    manifest = read_manifest(release)
    return rebuild_release(Home(release.parents[1]), manifest, run_id="repair", now=NOW + timedelta(hours=1)).manifest


def test_an_intact_release_has_no_problem_and_looking_at_it_changes_nothing(release: Path) -> None:
    home = Home(release.parents[1])
    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert problems(release) == ()
    after = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert after == before
    assert not list(home.views.iterdir()), "a view was left behind"


def test_a_release_is_intact_whatever_became_of_the_sources_since(release: Path) -> None:
    home = Home(release.parents[1])
    rows = chunks_table(home).scan().collect()
    chunks_table(home).overwrite(rows.head(3))
    assert problems(release) == ()


def test_records_deleted_from_the_store_are_counted_and_the_first_is_named(release: Path) -> None:
    gone = delete_records(release, 7)
    found = problems(release)
    assert f"7 records are gone from the store (first: {gone[0]})" in found
    assert any(one.startswith(SQLITE) for one in found)


def test_records_added_to_the_store_are_counted(release: Path) -> None:
    with store(release) as collection:
        collection.add(ids=["x1", "x2"], embeddings=unit_vectors(2).tolist(), documents=["a", "b"])
    assert "2 records are in the store that do not belong there (first: x1)" in problems(release)


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "the store cut in half": (lambda release: cut_in_half(release / SQLITE), rf"{SQLITE} has [\d,]+ bytes instead of"),
    "the store deleted": (lambda release: (release / SQLITE).unlink(), f"{SQLITE} is missing"),
    "one bit of the vectors": (lambda release: flip_a_bit(vectors_file(release)), "data_level0.bin has other bytes than"),
    "the vectors cut in half": (lambda release: cut_in_half(vectors_file(release)), r"data_level0.bin has [\d,]+ bytes"),
    "the vectors deleted": (lambda release: vectors_file(release).unlink(), "data_level0.bin is missing"),
    "a vector overwritten": (overwrite_a_vector, f"{SQLITE} has"),
    "the chunks cut in half": (
        lambda release: cut_in_half(release / CHUNKS_FILE),
        rf"{CHUNKS_FILE} has [\d,]+ bytes instead of",
    ),
    "the chunks deleted": (lambda release: (release / CHUNKS_FILE).unlink(), f"{CHUNKS_FILE} is missing"),
    "a journal beside the store": (
        lambda release: (release / f"{SQLITE}-journal").write_bytes(b"x"),
        f"{SQLITE}-journal does not belong to the release",
    ),
}


@pytest.mark.parametrize("what", HARM)
def test_a_file_that_is_not_as_it_was_built_is_named_with_what_is_wrong_with_it(release: Path, what: str) -> None:
    harm, says = HARM[what]
    harm(release)
    found = problems(release)
    assert found, what
    assert any(re.search(says, one) for one in found), found


def test_every_harmed_file_is_named_not_only_the_first(release: Path) -> None:
    cut_in_half(release / CHUNKS_FILE)
    flip_a_bit(vectors_file(release))
    (release / SQLITE).unlink()
    found = problems(release)
    for name in (CHUNKS_FILE, "data_level0.bin", SQLITE):
        assert any(name in one for one in found), (name, found)


@pytest.mark.parametrize("content", [b"", b'{"id"', b"null"])
def test_a_damaged_manifest_is_named(release: Path, content: bytes) -> None:
    (release / MANIFEST_FILE).write_bytes(content)
    [said] = problems(release)
    assert f"{release / MANIFEST_FILE} is damaged" in said


def test_what_is_no_release_is_said_to_be_none(release: Path) -> None:
    [said] = verify_release(Home(release.parents[1]), "20200101-000000-deadbeef")
    assert f"is not a release: it has no {MANIFEST_FILE}" in said


def test_a_copy_under_another_name_does_not_pass_for_the_release(release: Path) -> None:
    shutil.copytree(release, release.with_name("copy"))
    assert verify_release(Home(release.parents[1]), "copy") == (f"copy holds the manifest of {release.name}",)


def another_text(release: Path) -> None:
    with store(release) as collection:
        [vector] = collection.get(ids=["c00003"], include=["embeddings"])["embeddings"]
        collection.update(ids=["c00003"], documents=["another text"], embeddings=[vector])


def another_payload(release: Path) -> None:
    with store(release) as collection:
        collection.update(ids=["c00003"], metadatas=[{"payload_hash": "another"}])


BEHIND_THE_CHECKSUMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a record less": (lambda release: delete_records(release, 1), "1 ids lost, 0 not expected"),
    "another vector": (overwrite_a_vector, f"1 of {ROWS} records compared have another vector"),
    "another text": (another_text, f"1 of {ROWS} records compared have another text"),
    "another payload": (another_payload, f"1 of {ROWS} records compared have another payload"),
}


@pytest.mark.parametrize("what", BEHIND_THE_CHECKSUMS)
def test_what_the_checksums_vouch_for_is_held_against_the_tables_too(release: Path, what: str) -> None:
    harm, says = BEHIND_THE_CHECKSUMS[what]
    harm(release)
    reseal(release)
    assert damaged_files(release, read_manifest(release)) == ()
    assert any(says in one for one in problems(release)), problems(release)


def test_chunks_of_another_content_do_not_give_the_fingerprint(release: Path) -> None:
    rows = pl.read_parquet(release / CHUNKS_FILE).with_columns(payload_hash=pl.lit("other"))
    writable(release / CHUNKS_FILE)
    rows.write_parquet(release / CHUNKS_FILE)
    reseal(release)
    assert f"{CHUNKS_FILE} does not give the release's fingerprint" in problems(release)


def test_a_release_whose_vectors_are_gone_from_the_tables_says_so(release: Path) -> None:
    table = vectors_table(Home(release.parents[1]))
    table.overwrite(table.scan().collect().head(ROWS - 1))
    [said] = problems(release)
    assert "1 chunks have no vector" in said


@pytest.mark.parametrize("what", [name for name in HARM if "chunks" not in name])
def test_a_damaged_release_is_built_again_from_its_own_chunks_and_answers_as_before(release: Path, what: str) -> None:
    home, vectors = Home(release.parents[1]), unit_vectors(ROWS)
    with open_release(home, release.name) as opened:
        before = [opened.search(vector, 5) for vector in vectors]
    chunks_table(home).overwrite(chunks_table(home).scan().collect().head(1))
    HARM[what][0](release)
    twin = rebuilt(release)
    assert twin.id != release.name
    assert twin.fingerprint == read_manifest(release).fingerprint
    assert twin.origin.rebuilt_because == f"it repairs {release.name}"
    assert verify_release(home, twin.id) == ()
    assert [one.id for one in all_manifests(home.releases)] == [twin.id, release.name]
    with open_release(home, twin.id) as opened:
        assert [opened.search(vector, 5) for vector in vectors] == before


def test_a_release_whose_chunks_are_damaged_too_cannot_be_repaired_and_nothing_is_left_behind(release: Path) -> None:
    delete_records(release, 1)
    cut_in_half(release / CHUNKS_FILE)
    with pytest.raises(
        ReleaseError, match=f"{release.name} cannot be repaired: its {CHUNKS_FILE} is not the one it was built"
    ):
        rebuilt(release)
    (release / CHUNKS_FILE).unlink()
    with pytest.raises(ReleaseError, match=f"{release.name} does not have {CHUNKS_FILE}, so it can be neither"):
        rebuilt(release)
    assert [path.name for path in release.parent.iterdir() if path.is_dir()] == [release.name]


def test_a_release_whose_vectors_are_gone_cannot_be_repaired(release: Path) -> None:
    table = vectors_table(Home(release.parents[1]))
    table.overwrite(table.scan().collect().head(ROWS - 1))
    flip_a_bit(vectors_file(release))
    with pytest.raises(ReleaseError, match="1 chunks have no vector"):
        rebuilt(release)
    assert [path.name for path in release.parent.iterdir() if path.is_dir()] == [release.name]


@pytest.mark.parametrize("column", ["title", "text", "uri", "document_id"])
def test_a_release_is_never_repaired_from_chunks_that_are_not_its_own_to_the_byte(
    home: Home, tmp_path: Path, column: str
) -> None:
    """One flipped bit in a Parquet file can be read as another title, with every id and payload hash as it was."""
    pages = {f"{number}.md": f"# Page {number}\n\nwords of page {number}" for number in range(3)}
    release = tmp_path / "releases" / release_of(home, pages).manifest.id
    rows = pl.read_parquet(release / CHUNKS_FILE)
    writable(release / CHUNKS_FILE)
    rows.with_columns(pl.lit("harmed").alias(column)).write_parquet(release / CHUNKS_FILE)
    assert any(CHUNKS_FILE in one for one in verify_release(home, release.name))
    delete_records(release, 1)
    with pytest.raises(ReleaseError, match=f"{release.name} cannot be repaired"):
        rebuilt(release)
    assert [one.id for one in all_manifests(release.parent)] == [release.name]


def test_a_journal_that_lies_beside_the_store_is_never_replayed_into_an_answer(release: Path, tmp_path: Path) -> None:
    """Every file the manifest names is intact, and SQLite would answer with other texts all the same."""
    home, query = Home(release.parents[1]), unit_vectors(ROWS)[3]
    with open_release(home, release.name) as opened:
        before = opened.search(query, 3)
    journal_that_changes_every_text(release, tmp_path)
    assert problems(release) == (f"{SQLITE}-journal does not belong to the release",)
    try:
        with open_release(home, release.name) as opened:
            assert opened.search(query, 3) == before
    except ReleaseError as error:
        assert "is damaged" in str(error)  # noqa: PT017


def test_a_build_never_opens_the_chunks_of_a_release_that_is_damaged(home: Home, tmp_path: Path) -> None:
    """Torn Parquet can take the process down that reads it, so its checksum comes first."""
    first = release_of(home, {"a.md": "# A\n\nfirst words"}).manifest
    rows = pl.read_parquet(tmp_path / "releases" / first.id / CHUNKS_FILE)
    writable(tmp_path / "releases" / first.id / CHUNKS_FILE)
    rows.clear().write_parquet(tmp_path / "releases" / first.id / CHUNKS_FILE)
    second = release_of(home, {"a.md": "# A\n\nfirst words", "b.md": "# B\n\nmore"}, now=NOW + timedelta(days=1)).manifest
    assert second.origin.base is None
    assert "damaged" in second.origin.rebuilt_because
    assert verify_release(home, second.id) == ()


def test_a_lock_that_a_reader_of_words_left_is_no_damage_and_one_that_holds_bytes_is(release: Path) -> None:
    manifest = read_manifest(release)
    lock = writable(release / LEXICAL_FOLDER) / ".tantivy-meta.lock"
    lock.touch()
    assert damaged_files(release, manifest) == foreign_files(release, manifest) == ()
    lock.write_bytes(b"x")
    assert damaged_files(release, manifest) == foreign_files(release, manifest) == ("lexical/.tantivy-meta.lock",)
