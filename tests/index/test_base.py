import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.home import CHUNKS_FILE, Home
from rag_pipeline.index.base import Base, choose_base
from rag_pipeline.index.manifest import IndexParameters, Manifest, all_manifests, chroma_version
from tests.support.numbered_chunks import bytes_of, damage, hold, release, rewrite

Kept = dict[str, Manifest]


@pytest.fixture(scope="module")
def three_releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Kept]:
    """Releases of 20, 40 and 30 chunks, the last one newest. Nobody may change them."""
    home = Home(tmp_path_factory.mktemp("kept"))
    sizes = {"small": 20, "large": 40, "middle": 30}
    return home, {name: release(home, range(size), night=night) for night, (name, size) in enumerate(sizes.items())}


@pytest.fixture
def kept(three_releases: tuple[Home, Kept], tmp_path: Path) -> tuple[Home, Kept]:
    """The same three, to be damaged."""
    return Home(shutil.copytree(three_releases[0].root, tmp_path / "home")), three_releases[1]


def chosen(home: Home, like: Manifest, places: range, *, moved: range = range(0)) -> Base:
    """What a release of these chunks would be built upon."""
    hold(home, places, moved)
    return choose_base(home.releases, like.model, like.index, chunks_table(home).scan())


@pytest.mark.parametrize(("size", "nearest"), [(22, "small"), (28, "middle"), (33, "middle"), (38, "large"), (60, "large")])
def test_the_release_that_differs_least_is_built_upon_whether_it_is_the_newest_or_not(
    kept: tuple[Home, Kept], size: int, nearest: str
) -> None:
    home, releases = kept
    base = chosen(home, releases["small"], range(size))
    assert base.manifest == releases[nearest]
    there = releases[nearest].chunks
    assert (len(base.removed), len(base.added)) == (max(0, there - size), max(0, size - there))
    assert base.why_not == ""


def test_a_changed_payload_counts_as_one_record_removed_and_one_added(kept: tuple[Home, Kept]) -> None:
    home, releases = kept
    base = chosen(home, releases["small"], range(32), moved=range(3))
    assert base.manifest == releases["middle"]
    assert (len(base.removed), len(base.added)) == (3, 5)
    assert set(base.removed) <= set(base.added)


@pytest.mark.parametrize("name", ["chroma/sealed.sqlite3", CHUNKS_FILE, "manifest.json"])
def test_a_damaged_release_is_passed_over_for_the_next_nearest(kept: tuple[Home, Kept], name: str) -> None:
    home, releases = kept
    damage(home, releases["middle"], name)
    base = chosen(home, releases["small"], range(28))
    assert base.manifest == releases["small"]
    assert (len(base.removed), len(base.added)) == (0, 8)


def test_a_release_with_a_file_missing_or_one_too_many_is_passed_over(kept: tuple[Home, Kept]) -> None:
    home, releases = kept
    (home.release(releases["middle"].id) / "chroma" / "stray").write_bytes(b"")
    (home.release(releases["small"].id) / CHUNKS_FILE).unlink()
    base = chosen(home, releases["small"], range(34))
    assert base.manifest == releases["large"]


def test_when_every_kept_release_is_damaged_or_lacks_its_chunks_the_build_is_whole_and_says_so(
    kept: tuple[Home, Kept],
) -> None:
    home, releases = kept
    damage(home, releases["small"], "chroma/sealed.sqlite3")
    damage(home, releases["middle"], CHUNKS_FILE)
    (home.release(releases["large"].id) / CHUNKS_FILE).unlink()
    assert release(home, range(31)).origin.rebuilt_because == "every kept release like it is damaged, or lacks its chunks"


def test_releases_of_another_model_are_no_base(kept: tuple[Home, Kept]) -> None:
    home, releases = kept
    hold(home, range(29))
    other = releases["small"].model.model_copy(update={"fingerprint": "other"})
    base = choose_base(home.releases, other, IndexParameters(), chunks_table(home).scan())
    assert base == Base(why_not="no kept release has this model, these parameters and this version of Chroma")


def test_releases_with_other_index_parameters_are_no_base(kept: tuple[Home, Kept]) -> None:
    home, releases = kept
    hold(home, range(29))
    base = choose_base(home.releases, releases["small"].model, IndexParameters(ef_search=99), chunks_table(home).scan())
    assert base == Base(why_not="no kept release has this model, these parameters and this version of Chroma")


def test_releases_another_version_of_chroma_wrote_are_no_base(kept: tuple[Home, Kept]) -> None:
    home, releases = kept
    rewrite(home, releases["middle"], chroma_version=f"{chroma_version()}.1")
    assert chosen(home, releases["small"], range(29)).manifest == releases["small"]
    for name in ("small", "large"):
        rewrite(home, releases[name], chroma_version="0.4.0")
    assert "this version of Chroma" in release(home, range(31)).origin.rebuilt_because


def test_the_first_release_has_no_base_and_says_so(home: Home) -> None:
    first = release(home, range(5))
    assert (first.origin.base, first.origin.rebuilt_because) == (None, "it is the first release")
    assert (first.origin.added, first.origin.removed, first.origin.dead_slots) == (0, 0, 0)


def test_a_fifth_of_dead_slots_is_the_most_a_release_may_have(home: Home, tmp_path: Path) -> None:
    first = release(home, range(100))
    assert release(home, range(20, 100), night=1).origin.base == first.id
    shutil.rmtree(tmp_path / "releases")
    again = release(home, range(100))
    over = release(home, range(21, 100), night=1)
    assert over.origin.rebuilt_because == f"21 % of the slots of {again.id} would be dead"


def test_dead_slots_add_up_along_a_chain_of_bases_until_one_is_built_whole_and_the_count_starts_anew(home: Home) -> None:
    chain = [release(home, range(8 * night, 100), night=night) for night in range(5)]
    assert [one.origin.base for one in chain] == [None, chain[0].id, chain[1].id, None, chain[3].id]
    assert [one.origin.dead_slots for one in chain] == [0, 8, 16, 0, 8]
    assert chain[3].origin.rebuilt_because == f"24 % of the slots of {chain[2].id} would be dead"


def test_moved_chunks_leave_dead_slots_too(home: Home) -> None:
    release(home, range(100))
    moved = release(home, range(100), moved=range(15), night=1)
    assert (moved.origin.removed, moved.origin.added, moved.origin.dead_slots) == (15, 15, 15)
    assert release(home, range(100), moved=range(30), night=2).origin.rebuilt_because.startswith("23 % of the slots")


def test_half_new_chunks_are_the_most_that_are_added_to_a_base(home: Home, tmp_path: Path) -> None:
    first = release(home, range(10))
    assert release(home, range(20), night=1).origin.base == first.id
    shutil.rmtree(tmp_path / "releases")
    again = release(home, range(10))
    over = release(home, range(21), night=1)
    assert over.origin.rebuilt_because == f"52 % of its chunks are new to {again.id}"


def test_choosing_a_base_changes_nothing(kept: tuple[Home, Kept]) -> None:
    home, releases = kept
    before = {name: bytes_of(home, manifest) for name, manifest in releases.items()}
    for size in (25, 35, 150):
        chosen(home, releases["small"], range(size))
    assert {name: bytes_of(home, manifest) for name, manifest in releases.items()} == before
    assert {manifest.id for manifest in all_manifests(home.releases)} == {one.id for one in releases.values()}


@given(start=st.integers(0, 60), size=st.integers(1, 100), moved=st.integers(0, 5))
@example(start=2, size=34, moved=3)  # the nearest would have too many dead slots, the next one is near enough
@hypothesis_settings(max_examples=25, deadline=None)
def test_a_chosen_base_is_never_farther_than_another_and_never_past_the_limits(
    three_releases: tuple[Home, Kept], start: int, size: int, moved: int
) -> None:
    home, releases = three_releases
    base = chosen(home, releases["small"], range(start, start + size), moved=range(start, start + moved))
    wanted = {(place, place < start + moved) for place in range(start, start + size)}
    away = {}
    for one in releases.values():
        held = {(place, False) for place in range(one.chunks)}
        gone, new = len(held - wanted), len(wanted - held)
        if gone <= 0.2 * (size + gone) and new <= 0.5 * size:
            away[one.id] = (gone, new)
    if base.manifest is None:
        assert not away, base.why_not
    else:
        assert (len(base.removed), len(base.added)) == away[base.manifest.id]
        assert len(base.removed) + len(base.added) == min(map(sum, away.values()))
