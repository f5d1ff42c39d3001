"""Retention: what is kept and why, and that nothing goes which something kept still needs."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.channels.restore import restore_channel
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import MANIFEST_FILE, Home
from rag_pipeline.index.candidate import name_candidate
from rag_pipeline.index.manifest import all_manifests, read_manifest
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.index.verify import verify_release
from rag_pipeline.release import retention
from rag_pipeline.release.retention import kept_releases
from tests.support.four_days import built, clean, home, left, oldest_first, point
from tests.support.locks import is_locked
from tests.support.small_releases import NOW, bag_of_words

__all__ = ["home"]


ROOT = Path(__file__).parents[2]


def every_file(home: Home) -> dict[str, bytes]:
    files = [path for path in home.root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(home.root).as_posix(): path.read_bytes() for path in files}


def test_the_newest_are_kept_and_whatever_a_channel_needs_each_with_its_reason(home: Home) -> None:
    made = [*oldest_first(home), built(home, 4), built(home, 5)]
    point(home, "staging", made[0])
    point(home, "production", made[1])
    point(home, "production", made[2])
    name_candidate(home, made[3], run_id="run", now=NOW)
    reasons = {one.manifest.id: one.because for one in kept_releases(home, 1)}
    assert reasons == {
        made[5].id: ("one of the newest 1",),
        made[4].id: (),
        made[3].id: ("candidate",),
        made[2].id: ("production",),
        made[1].id: ("before in production",),
        made[0].id: ("staging",),
    }
    assert list(reasons) == [one.id for one in reversed(made)], "newest first"
    done = clean(home)
    assert [one.id for one in done.removed] == [made[4].id]
    assert left(home) == sorted(one.id for one in made if one is not made[4])
    assert {one.manifest.id: one.because for one in done.kept} == {name: why for name, why in reasons.items() if why}
    assert done.removed_bytes == made[4].size_bytes > 0
    for one in all_manifests(home.releases):
        assert verify_release(home, one.id) == ()


def test_a_release_can_have_several_reasons_to_stay(home: Home) -> None:
    *_, before, newest = oldest_first(home)
    point(home, "production", before)
    point(home, "production", newest)
    point(home, "staging", newest)
    name_candidate(home, newest, run_id="run", now=NOW)
    first, second, *_ = kept_releases(home, 7)
    assert set(first.because) == {"production", "staging", "candidate", "one of the newest 7"}
    assert set(second.because) == {"before in production", "one of the newest 7"}


@pytest.mark.parametrize(("keep", "stay"), [(1, 1), (3, 3), (9, 4)])
def test_as_many_of_the_newest_stay_as_the_setting_says(home: Home, keep: int, stay: int) -> None:
    made = oldest_first(home)
    clean(home, keep)
    assert oldest_first(home) == made[-stay:]


def test_collecting_a_second_time_finds_nothing(home: Home) -> None:
    assert len(clean(home).removed) == 3
    again = clean(home)
    assert (again.removed, again.vectors, again.leftovers, again.removed_bytes) == ((), 0, (), 0)


def test_collecting_where_there_is_nothing_yet_removes_nothing(tmp_path: Path) -> None:
    done = clean(Home(tmp_path))
    assert (done.kept, done.removed, done.vectors, done.table_files, done.leftovers) == ((), (), 0, 0, ())


def test_a_dry_run_says_what_would_go_and_removes_nothing(home: Home) -> None:
    made = oldest_first(home)
    home.release(".staging-20260301-020000-deadbeef").mkdir()
    before = every_file(home)
    told = clean(home, dry_run=True)
    assert told.dry_run
    assert every_file(home) == before
    assert left(home) == [".staging-20260301-020000-deadbeef", *sorted(one.id for one in made)]
    done = clean(home)
    assert not done.dry_run
    assert (told.kept, told.removed, told.vectors, told.leftovers, told.removed_bytes) == (
        done.kept,
        done.removed,
        done.vectors,
        done.leftovers,
        done.removed_bytes,
    )
    assert done.removed == (made[2], made[1], made[0])
    assert done.vectors == 3, "the news of the first three days; the page that stays is in the last release"
    assert done.leftovers == (".staging-20260301-020000-deadbeef",)


KILLED = """
import os, sys
from pathlib import Path
from rag_pipeline.home import Home
from rag_pipeline.release import retention
retention.remove = lambda *_, **__: os._exit(9)
retention.collect(Home(Path(sys.argv[1])), keep=1, days=30, model="small")
"""


def test_a_collection_killed_after_the_rename_is_finished_by_the_next_one(home: Home) -> None:
    *gone, last = oldest_first(home)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(home)], cwd=ROOT, check=False, timeout=120)
    assert killed.returncode == 9
    trash = [f".trash-{one.id}" for one in gone]
    assert left(home) == [*trash, last.id]
    assert oldest_first(home) == [last], "what goes is no release any more"
    for name in (gone[0].id, trash[0]):
        with pytest.raises(ReleaseError, match="no release"), open_release(home, name):
            pass
    done = clean(home)
    assert done.removed == ()
    assert done.leftovers == tuple(trash)
    assert done.vectors == 3, "their vectors had not gone yet"
    assert left(home) == [last.id]
    assert verify_release(home, last.id) == ()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_collection_works_while_nobody_builds_and_nobody_writes_chunks_or_vectors(
    home: Home, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    """Else it would remove the folder a release is being built in, or vectors of chunks that are just being stored."""
    seen: dict[str, list[str]] = {}
    locks = {
        "build": home.releases / ".build.lock",
        "chunks": home.lake / ".chunks.lock",
        "vectors": home.lake / ".vectors.lock",
    }

    def spy(name: str) -> None:
        original = getattr(retention, name)

        def wrapped(*given: Any, **named: Any) -> Any:
            seen[name] = [lock for lock, path in locks.items() if is_locked(path)]
            return original(*given, **named)

        monkeypatch.setattr(retention, name, wrapped)

    for name in ("kept_releases", "_leftovers", "tidy_tables", "_collect_vectors"):
        spy(name)
    clean(home, dry_run=dry_run)
    everything = ["build", "chunks", "vectors"]
    assert seen == {
        "kept_releases": ["build"],
        "_leftovers": ["build"],
        "tidy_tables": everything,
        "_collect_vectors": everything,
    }
    assert not any(is_locked(path) for path in locks.values())


def test_what_killed_builds_and_collections_left_goes_and_is_told(home: Home) -> None:
    *_, manifest = oldest_first(home)
    for name in (".staging-20260101-000000-deaddead", ".trash-20260101-000000-beefbeef"):
        shutil.copytree(home.release(manifest.id), home.release(name))
    done = clean(home)
    assert done.leftovers == (".staging-20260101-000000-deaddead", ".trash-20260101-000000-beefbeef")
    assert left(home) == [manifest.id]


def test_a_release_whose_manifest_is_torn_is_not_taken_for_garbage(home: Home) -> None:
    old, *_ = oldest_first(home)
    (home.release(old.id) / MANIFEST_FILE).write_bytes(b"")
    clean(home)
    assert old.id in left(home)


@pytest.mark.slow
def test_what_production_points_at_answers_after_any_number_of_collections(home: Home) -> None:
    serving, *_ = oldest_first(home)
    point(home, "production", serving)
    for day in range(4, 7):
        built(home, day)
        clean(home)
        with open_release(home, serving.id) as release:
            assert release.search(bag_of_words("news of day 0"), 1)[0].text == "# Today\n\nnews of day 0"
    assert len(left(home)) == 2
    assert read_manifest(home.release(serving.id)) == serving


def test_nothing_is_collected_while_the_file_of_a_channel_is_gone(home: Home) -> None:
    made, before = oldest_first(home), left(home)
    point(home, "production", made[1])
    point(home, "production", made[0])
    channel = read_channel(home, "production")
    home.channel("production").unlink()
    with pytest.raises(ReleaseError, match="`rag verify --repair` restores it"):
        clean(home)
    assert left(home) == before
    assert restore_channel(home, "production") == channel
    clean(home)
    assert made[0].id in left(home)
