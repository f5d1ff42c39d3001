"""Retention: what is kept and why, and that nothing goes which something kept still needs."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.query_vectors import query_vectors, query_vectors_table
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.candidate import name_candidate
from rag_pipeline.index.contents import FILE as CHUNKS
from rag_pipeline.index.contents import contents
from rag_pipeline.index.manifest import FILE, Manifest, all_manifests, read_manifest
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.index.verify import verify_release
from rag_pipeline.release.audit import move_and_record
from rag_pipeline.release.channels import Channel, read_channel
from rag_pipeline.release.restore import restore_channel
from rag_pipeline.release.retention import Collected, collect, kept_releases
from tests.corpus.small import NOW, SMALL, CountingEncoder, SmallModel, bag_of_words, release_of
from tests.index.damage import cut_in_half, delete_records, writable

ROOT = Path(__file__).parents[2]


def built(home: Path, day: int, model: SmallModel = SMALL) -> Manifest:
    """The release of a day: a page that stays, and one of the day alone."""
    pages = {"stays.md": "# Stays\n\nthis page stays", "today.md": f"# Today\n\nnews of day {day}"}
    return release_of(home, pages, now=NOW + timedelta(days=day), model=model).manifest


@pytest.fixture(scope="module")
def first_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of four releases, a day apart, that nobody changes: to be copied."""
    home = tmp_path_factory.mktemp("days")
    for day in range(4):
        built(home, day)
    return home


@pytest.fixture
def home(first_days: Path, tmp_path: Path) -> Path:
    """Four releases, a day apart."""
    shutil.copytree(first_days, tmp_path / "home")
    return tmp_path / "home"


def oldest_first(home: Path) -> list[Manifest]:
    return all_manifests(home / "releases")[::-1]


def point(home: Path, name: str, manifest: Manifest) -> None:
    """Move a channel without a gate: retention looks at where it points, not at how it came there."""
    before = read_channel(home, name)
    target = Channel(
        release=manifest.id,
        fingerprint=manifest.fingerprint,
        previous=before.release if before else None,
        sequence=before.sequence + 1 if before else 1,
        at=NOW,
        by="tests",
        why="because",
        run_id="run",
        action="overridden",
    )
    move_and_record(home, name, target, expected=before)


def clean(home: Path, keep: int = 1, days: int = 30, *, dry_run: bool = False) -> Collected:
    return collect(home, keep=keep, days=days, model=SMALL.fingerprint, dry_run=dry_run)


def left(home: Path) -> list[str]:
    """Every directory that lies where the releases lie, whatever it is called."""
    return sorted(path.name for path in (home / "releases").iterdir() if path.is_dir())


def texts_with_vectors(home: Path, model: str = SMALL.fingerprint) -> set[str]:
    return set(vectors_table(home).scan().filter(pl.col("model") == model).collect()["text_hash"])


def every_file(home: Path) -> dict[str, bytes]:
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in files}


def test_the_newest_are_kept_and_whatever_a_channel_needs_each_with_its_reason(home: Path) -> None:
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
    for one in all_manifests(home / "releases"):
        assert verify_release(home, one.id) == ()


def test_a_release_can_have_several_reasons_to_stay(home: Path) -> None:
    *_, before, newest = oldest_first(home)
    point(home, "production", before)
    point(home, "production", newest)
    point(home, "staging", newest)
    name_candidate(home, newest, run_id="run", now=NOW)
    first, second, *_ = kept_releases(home, 7)
    assert set(first.because) == {"production", "staging", "candidate", "one of the newest 7"}
    assert set(second.because) == {"before in production", "one of the newest 7"}


@pytest.mark.parametrize(("keep", "stay"), [(1, 1), (3, 3), (9, 4)])
def test_as_many_of_the_newest_stay_as_the_setting_says(home: Path, keep: int, stay: int) -> None:
    made = oldest_first(home)
    clean(home, keep)
    assert oldest_first(home) == made[-stay:]


def test_collecting_a_second_time_finds_nothing(home: Path) -> None:
    assert len(clean(home).removed) == 3
    again = clean(home)
    assert (again.removed, again.vectors, again.leftovers, again.removed_bytes) == ((), 0, (), 0)


def test_collecting_where_there_is_nothing_yet_removes_nothing(tmp_path: Path) -> None:
    done = clean(tmp_path)
    assert (done.kept, done.removed, done.vectors, done.table_files, done.leftovers) == ((), (), 0, 0, ())


def test_a_dry_run_says_what_would_go_and_removes_nothing(home: Path) -> None:
    made = oldest_first(home)
    (home / "releases" / ".staging-20260301-020000-deadbeef").mkdir()
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
from rag_pipeline.release import retention
retention.remove = lambda *_, **__: os._exit(9)
retention.collect(Path(sys.argv[1]), keep=1, days=30, model="small")
"""


def test_a_collection_killed_after_the_rename_is_finished_by_the_next_one(home: Path) -> None:
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


def test_what_killed_builds_and_collections_left_goes_and_is_told(home: Path) -> None:
    *_, manifest = oldest_first(home)
    for name in (".staging-20260101-000000-deaddead", ".trash-20260101-000000-beefbeef"):
        shutil.copytree(home / "releases" / manifest.id, home / "releases" / name)
    done = clean(home)
    assert done.leftovers == (".staging-20260101-000000-deaddead", ".trash-20260101-000000-beefbeef")
    assert left(home) == [manifest.id]


def test_vectors_go_with_the_releases_and_whatever_is_needed_can_still_be_built(home: Path) -> None:
    made = oldest_first(home)
    point(home, "production", made[1])
    needed = [set(contents(home / "releases" / one.id, one).collect()["text_hash"]) for one in made]
    assert texts_with_vectors(home) == set().union(*needed)
    done = clean(home)
    assert [one.id for one in done.removed] == [made[2].id, made[0].id]
    assert done.vectors == 2
    assert texts_with_vectors(home) == needed[1] | needed[3]
    for one in (made[1], made[3]):
        assert verify_release(home, one.id) == ()
        delete_records(home / "releases" / one.id, 1)
        twin = rebuild_release(home, one, run_id="repair", now=NOW + timedelta(days=9)).manifest
        assert twin.fingerprint == one.fingerprint
        assert verify_release(home, twin.id) == ()
    encoder = CountingEncoder()
    report = update_embeddings(home, SMALL, lambda: encoder)  # type: ignore[arg-type]
    assert (report.embedded, encoder.seen) == (0, []), "a stored chunk lost its vector"


def test_vectors_of_stored_chunks_stay_though_no_release_holds_them_yet(home: Path) -> None:
    *_, before, newest = oldest_first(home)
    shutil.rmtree(home / "releases" / newest.id)
    stored = set(chunks_table(home).scan().collect()["text_hash"])
    assert clean(home).vectors == 2
    assert texts_with_vectors(home) == stored | set(contents(home / "releases" / before.id, before).collect()["text_hash"])


@pytest.mark.slow
def test_a_kept_release_of_another_model_keeps_its_vectors_and_they_go_with_it(home: Path) -> None:
    first = built(home, 4, SmallModel(fingerprint="other"))
    second = built(home, 5)
    point(home, "production", first)
    clean(home)
    assert len(texts_with_vectors(home, "other")) == 2
    delete_records(home / "releases" / first.id, 1)
    twin = rebuild_release(home, first, run_id="repair", now=NOW + timedelta(days=6)).manifest
    assert twin.fingerprint == first.fingerprint
    shutil.rmtree(home / "releases" / twin.id)
    point(home, "production", second)
    assert clean(home).vectors == 0, "production pointed at it before"
    point(home, "production", built(home, 7))
    done = clean(home)
    assert [one.id for one in done.removed] == [first.id]
    assert done.vectors == 2
    assert texts_with_vectors(home, "other") == set()


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "its manifest is torn": lambda release: (release / FILE).write_bytes(b'{"id"'),
    "its chunks are torn": lambda release: cut_in_half(release / CHUNKS),
    "its chunks are gone": lambda release: (release / CHUNKS).unlink(),
    "its chunks are others": lambda release: (
        pl.read_parquet(writable(release / CHUNKS)).clear().write_parquet(release / CHUNKS)
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_no_vector_goes_while_a_kept_release_cannot_say_what_it_needs(home: Path, what: str) -> None:
    kept, gone, *_ = oldest_first(home)
    point(home, "production", kept)
    before = texts_with_vectors(home)
    UNREADABLE[what](home / "releases" / kept.id)
    done = clean(home)
    assert gone.id in [one.id for one in done.removed]
    assert kept.id in left(home), "what a channel points at stays, readable or not"
    assert done.vectors == 0
    assert texts_with_vectors(home) == before


def test_a_release_whose_manifest_is_torn_is_not_taken_for_garbage(home: Path) -> None:
    old, *_ = oldest_first(home)
    (home / "releases" / old.id / FILE).write_bytes(b"")
    clean(home)
    assert old.id in left(home)


@pytest.mark.slow
def test_what_production_points_at_answers_after_any_number_of_collections(home: Path) -> None:
    serving, *_ = oldest_first(home)
    point(home, "production", serving)
    for day in range(4, 7):
        built(home, day)
        clean(home)
        with open_release(home, serving.id) as release:
            assert release.search(bag_of_words("news of day 0"), 1)[0].text == "# Today\n\nnews of day 0"
    assert len(left(home)) == 2
    assert read_manifest(home / "releases" / serving.id) == serving


def test_nothing_is_collected_while_the_file_of_a_channel_is_gone(home: Path) -> None:
    made, before = oldest_first(home), left(home)
    point(home, "production", made[1])
    point(home, "production", made[0])
    channel = read_channel(home, "production")
    (home / "channels" / "production.json").unlink()
    with pytest.raises(ReleaseError, match="`rag verify --repair` restores it"):
        clean(home)
    assert left(home) == before
    assert restore_channel(home, "production") == channel
    clean(home)
    assert made[0].id in left(home)


OTHER, UNUSED, KILLED_EXPORT = "0" * 31 + "1", "0" * 31 + "2", f".staging-{'0' * 31}3"


def graph(home: Path, model: str) -> None:
    (home / "models" / model).mkdir(parents=True)
    (home / "models" / model / "graph.onnx").write_bytes(b"graph")
    (home / "models" / model / "export.json").write_text("{}", encoding="utf-8")


def test_graphs_and_query_vectors_of_models_nobody_uses_go(home: Path) -> None:
    first = built(home, 4, SmallModel(fingerprint=OTHER))
    built(home, 5)
    point(home, "production", first)
    for model in (SMALL.fingerprint, OTHER, UNUSED):
        query_vectors(home, model, CountingEncoder, [f"a question to {model}"])
        graph(home, model)
    (home / "models" / KILLED_EXPORT).mkdir()
    would = clean(home, dry_run=True)
    assert (would.query_vectors, would.exports) == (1, (KILLED_EXPORT, UNUSED))
    assert (home / "models" / UNUSED).is_dir()
    done = clean(home)
    assert (done.query_vectors, done.exports) == (1, (KILLED_EXPORT, UNUSED))
    assert {path.name for path in (home / "models").iterdir() if path.is_dir()} == {SMALL.fingerprint, OTHER}
    assert set(query_vectors_table(home).scan().collect()["model"]) == {SMALL.fingerprint, OTHER}
    assert {"query_vectors": 1, "exports": [KILLED_EXPORT, UNUSED]}.items() <= done.told.items()
    assert (clean(home).query_vectors, clean(home).exports) == (0, ())


def test_no_graph_goes_while_a_kept_release_cannot_say_which_it_needs(home: Path) -> None:
    torn = oldest_first(home)[0]
    file = writable(home / "releases" / torn.id / FILE)
    file.write_bytes(b'{"id"')
    graph(home, UNUSED)
    assert clean(home).exports == ()
    assert (home / "models" / UNUSED).is_dir()
