"""Two machines and one home in a bucket: one moves a channel, one is told; readers elsewhere follow; damage is named."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.channels.audit import all_rows, in_order, move_and_record
from rag_pipeline.channels.pointer import Channel, channels_held, read_channel, write_pointer
from rag_pipeline.corpus.model import Vectors
from rag_pipeline.errors import LockLost, Overtaken, PipelineError, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import all_manifests, damaged_files, read_manifest
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.lake import collected
from rag_pipeline.release.retention import collect
from rag_pipeline.release.serving import ChannelReader
from rag_pipeline.storage.attach import mirror_of
from tests.conftest import Workspace
from tests.support.bucket_home import BucketHome, on_each_store
from tests.support.bucket_releases import two
from tests.support.readers import BY_FORCE, SUBJECTS, build, pages
from tests.support.small_releases import NOW, bag_of_words, release_of

pytestmark = on_each_store


def asked(subject: str) -> Vectors:
    return bag_of_words(f"about {subject} here")


def move(home: Home, number: int, release: str, *, at: Channel | None) -> Channel:
    """What moves production to a release, from where it stood."""
    fields = {
        "release": release,
        "fingerprint": read_manifest(home.release(release)).fingerprint,
        "previous": at.release if at else None,
        "sequence": (at.sequence if at else 0) + 1,
        "at": NOW + timedelta(hours=number),
        "by": "tests",
        "why": "x",
        "run_id": "r",
        **BY_FORCE,
    }
    return Channel.model_validate(fields)


def both_promote(homes: list[Home], number: int) -> list[str]:
    """Every machine moves production at once, each to another release; how each of them ended."""
    gate = threading.Barrier(len(homes))
    releases = sorted(manifest.id for manifest in all_manifests(homes[0].releases))

    def promote(place: int) -> str:
        home = homes[place]
        at = read_channel(home, "production")
        moved = move(home, number, releases[place], at=at)
        gate.wait()
        try:
            move_and_record(home, "production", moved, expected=at)
        except (ReleaseError, Overtaken) as error:
            return f"told: {error}"
        return "moved"

    with ThreadPoolExecutor(len(homes)) as threads:
        return list(threads.map(promote, range(len(homes))))


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_of_two_machines_that_promote_at_once_one_moves_and_the_other_is_told(
    bucket: BucketHome, one: Home, rounds: int
) -> None:
    homes = [one, two(bucket)]
    ended: Counter[str] = Counter()
    for number in range(1, rounds + 1):
        results = both_promote(homes, number)
        assert sorted(result.partition(":")[0] for result in results) == ["moved", "told"], results
        assert "in the meantime; decide again" in str(results)
        ended.update(f"{place} {result.partition(':')[0]}" for place, result in enumerate(results))
        channels = [read_channel(home, "production") for home in homes]
        assert channels[0] == channels[1] and channels[0] and channels[0].sequence == number
    told = collected(in_order(all_rows(homes[1])))
    assert told["sequence"].to_list() == list(range(1, rounds + 1)), ended


def test_a_lock_that_was_taken_away_in_the_middle_moves_nothing(bucket: BucketHome, one: Home) -> None:
    other = two(bucket)
    first, second = sorted(manifest.id for manifest in all_manifests(one.releases))
    move_and_record(one, "production", move(one, 1, first, at=None), expected=None)
    at = read_channel(one, "production")
    before = bucket.there()
    with channels_held(one):
        assert bucket.end_locks() == 1
        mine = read_channel(other, "production")
        move_and_record(other, "production", move(other, 2, second, at=mine), expected=mine)
        with pytest.raises(LockLost, match=r"was lost .*: PostgreSQL ended its session, so another machine may write now"):
            write_pointer(one, "production", move(one, 3, first, at=at))
    assert (found := read_channel(one, "production")) and found.release == second
    assert found == read_channel(other, "production")
    new = {key for key in bucket.there() - before if not key.startswith("lake/audit/")}
    assert not new, "nothing of the loser is there"


def test_a_build_whose_lock_was_taken_away_publishes_nothing(
    bucket: BucketHome, one: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = mirror_of(one.root)
    carry = mirror.objects.create
    done: list[str] = []

    def cut_off(key: str, data: object) -> str:
        if key.startswith("releases/") and not done:
            done.append(key)
            bucket.end_locks()
        return carry(key, data)  # type: ignore[arg-type]

    before = {manifest.id for manifest in all_manifests(one.releases)}
    with monkeypatch.context() as patched:
        patched.setattr(mirror.objects, "create", cut_off)
        with pytest.raises(LockLost):
            build(one, 2)
    assert done
    other = two(bucket)
    assert {manifest.id for manifest in all_manifests(other.releases)} == before
    built = build(other, 2)
    assert not damaged_files(other.release(built), read_manifest(other.release(built)))
    assert {manifest.id for manifest in all_manifests(other.releases)} == {*before, built}


@pytest.mark.parametrize(
    ("readers", "moves"), [(2, 4), pytest.param(4, 20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_readers_elsewhere_follow_without_an_error_and_answer_from_one_release(
    bucket: BucketHome, one: Home, readers: int, moves: int
) -> None:
    releases = sorted(manifest.id for manifest in all_manifests(one.releases))
    marker = {release: f"marker-{number}." for number, release in enumerate(releases)}
    move_and_record(one, "production", move(one, 1, releases[0], at=None), expected=None)
    other, ended = two(bucket), threading.Event()
    answered: list[Counter[str]] = [Counter() for _ in range(readers)]

    def read(place: int) -> None:
        with ChannelReader(other) as reader:
            while not ended.is_set():
                for subject in SUBJECTS[:3]:
                    release, hits = reader.search(asked(subject), 5)
                    assert hits and all(marker[release] in hit.text for hit in hits), (release, hits)
                    answered[place][release] += 1

    with ThreadPoolExecutor(readers) as threads:
        running = [threads.submit(read, place) for place in range(readers)]
        try:
            for number in range(2, moves + 2):
                at = read_channel(one, "production")
                move_and_record(one, "production", move(one, number, releases[(number - 1) % 2], at=at), expected=at)
                last = releases[(number - 1) % 2]
                seen = [one_reader[last] for one_reader in answered]
                for _ in range(3_000):
                    if all(now[last] > then for now, then in zip(answered, seen, strict=True)) or any(
                        future.done() for future in running
                    ):
                        break
                    ended.wait(0.01)
        finally:
            ended.set()
        for future in running:
            future.result()
    assert all(set(one_reader) == set(releases) for one_reader in answered)


def test_a_reader_that_cannot_reach_the_bucket_goes_on_and_says_so(
    bucket: BucketHome, one: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release = min(manifest.id for manifest in all_manifests(one.releases))
    move_and_record(one, "production", move(one, 1, release, at=None), expected=None)
    other = two(bucket)
    with ChannelReader(other) as reader:
        reader.search(asked("cats"), 3)
        lost = BucketHome(
            f"{bucket.store.scheme}://bucket-that-went/home", bucket.store, bucket.server, bucket.locks, bucket.folder
        )
        monkeypatch.setattr(mirror_of(other.root), "objects", lost.objects)
        with caplog.at_level("WARNING", logger="rag_pipeline"):
            for _ in range(3):
                assert reader.search(asked("cats"), 3)[0] == release
    said = [record.message for record in caplog.records if "readers go on with what is here" in record.message]
    assert len(said) == 1, "once, not with every question"
    with pytest.raises(PipelineError, match="no such bucket"), other.exclusive("refresh", wait_s=0):
        pass


def test_a_byte_changed_in_the_bucket_is_named_and_one_in_the_copy_is_fetched_again(bucket: BucketHome, one: Home) -> None:
    release = min(manifest.id for manifest in all_manifests(one.releases))
    manifest = read_manifest(one.release(release))
    name = next(name for name in manifest.files if name.endswith("sealed.sqlite3"))
    other = two(bucket)
    with open_release(other, release) as opened:
        wanted = opened.search(Query("about cats here", asked("cats")), 5)
    path = other.release(release) / name
    path.chmod(0o644)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with open_release(other, release) as opened:
        assert opened.search(Query("about cats here", asked("cats")), 5) == wanted
    assert path.read_bytes() == whole and not damaged_files(other.release(release), manifest)

    bucket.objects.put(f"releases/{release}/{name}", whole[:-1] + bytes([whole[-1] ^ 1]))
    assert damaged_files(other.release(release), manifest) == (name,)
    assert damaged_files(one.release(release), manifest) == (name,), "although its own copy is whole"
    third = bucket.machine("three").home
    says = rf"release {release} is damaged \({name}\) in {bucket.store.scheme}://.* and cannot answer"
    with pytest.raises(ReleaseError, match=says), open_release(third, release):
        pass


def test_a_collection_beside_a_promotion_removes_nothing_that_serves(bucket: BucketHome, one: Home) -> None:
    first, second = sorted(manifest.id for manifest in all_manifests(one.releases))
    move_and_record(one, "production", move(one, 1, second, at=None), expected=None)
    other = two(bucket)
    at = read_channel(other, "production")
    gone = collect(one, keep=1, days=30, model="small", now=NOW)
    assert [manifest.id for manifest in gone.removed] == [first]
    with pytest.raises(ReleaseError, match=f"{first} was removed in the meantime"):
        move_and_record(other, "production", move(one, 2, second, at=at).model_copy(update={"release": first}), expected=at)
    assert not {key for key in bucket.there() if first in key}
    with open_release(other, second) as opened:
        assert opened.search(Query("about cats here", asked("cats")), 1)


def test_what_a_publication_that_died_left_is_no_release_and_goes_a_day_later(
    bucket: BucketHome, one: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.objects.put("releases/20260301-020000-0123abcd/chunks.parquet", b"half")
    assert len(all_manifests(two(bucket).releases)) == 2
    assert "20260301-020000-0123abcd" not in collect(one, keep=2, days=30, model="small", now=NOW).leftovers
    monkeypatch.setattr("rag_pipeline.storage.releases._HALF", timedelta(seconds=-1))
    assert "20260301-020000-0123abcd" in collect(one, keep=2, days=30, model="small", now=NOW).leftovers
    assert not {key for key in bucket.there() if "0123abcd" in key}


def test_copies_that_nobody_asked_for_make_room(bucket: BucketHome, one: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_pipeline.storage.releases._IN_USE_S", -1.0)
    first, second = sorted(manifest.id for manifest in all_manifests(one.releases))
    size = read_manifest(one.release(first)).size_bytes
    other = bucket.machine("small", cache_gb=size * 1.5 / 1e9).home
    for release in (first, second, first):
        with open_release(other, release) as opened:
            assert opened.search(Query("about cats here", asked("cats")), 1)
        held = {path.parts[0] for path in _files(other.releases) if path.name != "manifest.json"}
        assert held == {release}


def test_nobody_else_is_needed_to_bring_a_home_back(bucket: BucketHome, one: Home, workspace: Workspace) -> None:
    """What lies in the bucket is all there is: the copy of the machine that built it may be gone."""
    release = min(manifest.id for manifest in all_manifests(one.releases))
    move_and_record(one, "production", move(one, 1, release, at=None), expected=None)
    other = two(bucket)
    local = {path.relative_to(one.root).as_posix() for path in one.root.rglob("*") if path.is_file()}
    mine = {key for key in local if not key.rpartition("/")[2].startswith(".") or key == ".rag-home.json"}
    assert mine - bucket.there() == set()
    assert damaged_files(other.release(release), read_manifest(other.release(release))) == ()
    assert (found := read_channel(other, "production")) and found.release == release


def _files(folder: Path) -> list[Path]:
    """Every file below a folder, by its path there."""
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def test_a_machine_that_takes_over_builds_upon_a_release_that_it_never_had(one: Home, bucket: BucketHome) -> None:
    last = max(manifest.id for manifest in all_manifests(one.releases))
    changed = pages(1) | {f"{SUBJECTS[0]}.md": "# About cats\n\nThey sleep a lot."}
    made = release_of(two(bucket), changed, now=NOW + timedelta(minutes=9)).manifest
    assert (made.origin.base, made.origin.rebuilt_because) == (last, "")
