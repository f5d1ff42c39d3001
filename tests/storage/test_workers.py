"""Workers of a cluster and the run that has them embed share nothing but the bucket. Here a real worker in this process."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from rag_pipeline.corpus.control import Control
from rag_pipeline.corpus.engines import base, cluster_of
from rag_pipeline.corpus.engines.handover import addresses_of
from rag_pipeline.corpus.engines.parts import FOLDER, remove_parts
from rag_pipeline.corpus.engines.ray_process import Answer
from rag_pipeline.corpus.engines.worker import Worker, orders_of
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import LockLost, PipelineError
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.release.sweeping import sweep_up
from rag_pipeline.storage import patience
from rag_pipeline.storage.objects import StoredObjects
from tests.support.bucket_home import BucketHome, on_each_store
from tests.support.object_store import SECRET, open_door
from tests.support.object_store import Answer as Said
from tests.support.ray_cluster import MODEL, cluster, embed, fragments, model_in, store_texts, stored
from tests.support.refusing_store import Door, door_before
from tests.support.workers_here import Here, here

__all__ = ["here"]

PARTS = f"scratch/{FOLDER}"


@pytest.fixture
def home(bucket: BucketHome) -> Home:
    """A home with 25 texts, three parts of ten at most, on the machine `one`."""
    claim_home(bucket.machine("one"))
    home = bucket.machine("one").home
    store_texts(home, 25)
    return home


def hashes(bucket: BucketHome) -> list[str]:
    return sorted(chunks_table(bucket.machine("one").home).scan().select("text_hash").collect()["text_hash"].to_list())


def worker(home: Home) -> Worker:
    control = Control("nothing", [], np.empty((0, 0), dtype=np.float32))
    return Worker(orders_of(model_in(home), MODEL, control, addresses_of(home, home.vectors), 1).as_json())


@contextmanager
def out_of_sight(folder: Path) -> Iterator[None]:
    """Nobody finds a machine's copy where it was."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    try:
        yield
    finally:
        aside.rename(folder)


def test_the_settings_name_a_cluster_for_a_home_in_a_bucket(bucket: BucketHome) -> None:
    """Refused until workers and the run could meet there."""
    found = cluster_of(bucket.machine("one", embed_engine="ray", ray_address="ray-head:6379"))
    assert found and found.address == "ray-head:6379"


@on_each_store
def test_parts_go_and_vectors_come_by_the_bucket_alone(
    home: Home, bucket: BucketHome, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[set[str]] = []

    monkeypatch.setenv("RAG_CACHE", str(bucket.folder / "node"))

    @contextmanager
    def elsewhere() -> Iterator[None]:
        waiting.append({key for key in bucket.there() if key.startswith(PARTS)})
        assert not list(home.scratch.rglob("*.parquet")), "each part goes from the disk as it is sent"
        with out_of_sight(bucket.folder / "one"):
            yield

    here.around = elsewhere
    report = embed(home, cluster())
    assert (report.texts, report.embedded) == (25, 25)
    assert len(waiting[0]) == 3
    assert stored(home) == hashes(bucket) == stored(bucket.machine("two").home), "each once, on every machine"
    assert fragments(home) == 3
    assert vectors_table(home).version() == 1, "one commit for all that came together"
    assert not {key for key in bucket.there() if key.startswith("scratch")}
    assert not home.scratch.exists() or not list(home.scratch.iterdir())
    assert not (bucket.folder / "node").exists(), "nothing is kept where a worker is"
    assert embed(bucket.machine("two").home, cluster(address="nobody.invalid:1")).embedded == 0


@on_each_store
def test_a_fragment_is_fetched_once(home: Home, bucket: BucketHome, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tidying, the read back and the index need is the whole of it, so it comes whole, and is not carried back."""
    asked: list[tuple[str, str]] = []
    for name in ("download", "create", "swap", "put", "read"):
        real = getattr(StoredObjects, name)

        def watched(
            self: StoredObjects, key: str, *more: object, _real: object = real, _name: str = name, **how: object
        ) -> object:
            asked.append((_name, key))
            return _real(self, key, *more, **how)  # type: ignore[operator]

        monkeypatch.setattr(StoredObjects, name, watched)
    embed(home, cluster())
    data = [what for what, key in asked if "/model=" in key]
    assert sorted(data) == ["create"] * 3 + ["download"] * 3
    parts = [what for what, key in asked if key.startswith(PARTS)]
    assert sorted(parts) == ["create"] * 3 + ["read"] * 3


@on_each_store
def test_an_object_that_is_not_what_the_worker_put_there_is_no_fragment(home: Home, bucket: BucketHome, here: Here) -> None:
    def spoiled(answers: list[Answer]) -> list[Answer]:
        key = f"lake/vectors/{answers[1]['path']}"
        found = bucket.objects.read(key)
        assert found
        bucket.objects.put(key, found.data[:-1] + bytes([found.data[-1] ^ 1]))
        return answers

    here(spoiled)
    with pytest.raises(
        PipelineError, match=rf"a worker put model=\w+/part-\S+ \([\d,]+ bytes\) below {bucket.uri}/lake/vectors, and"
    ):
        embed(home, cluster())
    assert len(stored(home)) == 10, "what came before is kept"
    here(lambda answers: [answers[0] | {"path": "model=x/part-elsewhere.parquet"}])
    with pytest.raises(PipelineError, match="the bucket does not have it with these bytes"):
        embed(home, cluster())
    here(lambda answers: answers)
    assert embed(home, cluster()).embedded == 15
    assert stored(home) == hashes(bucket)


def test_what_a_dead_run_left_goes(home: Home, bucket: BucketHome, here: Here) -> None:
    """Its parts by the next run or by a collection, its fragments by tidying; nothing of anybody else's."""
    theirs = bucket.objects.create(f"{PARTS}/notes.txt", b"a user's own")
    for run in ("deadbeef", "0badcafe"):
        bucket.objects.create(f"{PARTS}/part-000000-{run}.parquet", b"of a dead run")
    told = [f"{PARTS}/part-000000-0badcafe.parquet", f"{PARTS}/part-000000-deadbeef.parquet"]
    assert remove_parts(home, dry_run=True) == told == list(sweep_up(home, (), dry_run=True).scratch)
    here(lambda answers: answers[:2])
    with pytest.raises(PipelineError, match="no worker finished a part"):
        embed(home, cluster(stall_s=0.05))
    assert {key for key in bucket.there() if key.startswith("scratch")} == {f"{PARTS}/notes.txt"}
    assert (len(stored(home)), fragments(home)) == (20, 3), "what nobody committed nobody reads"
    bucket.objects.create(told[0], b"of a dead run")
    assert sweep_up(home, (), dry_run=False).scratch == (told[0],)
    assert bucket.objects.read(f"{PARTS}/notes.txt", unless="") and theirs

    two = bucket.machine("two").home
    here(lambda answers: answers)
    assert embed(two, cluster()).embedded == 5
    orphans = {one.relative_to(two.root).as_posix() for one in two.vectors.glob("model=*/*.parquet")}
    orphans -= {file.relative_to(two.root).as_posix() for file, _, _ in vectors_table(two).data_files()}
    assert len(orphans) == 1 and orphans < bucket.there()
    with two.exclusive_table(two.vectors, wait_s=0):
        for file in two.vectors.rglob("*.parquet"):
            os.utime(file, (1_600_000_000, 1_600_000_000))
        vectors_table(two).tidy(1)
    assert not orphans & bucket.there()
    assert stored(bucket.machine("three").home) == hashes(bucket)


def test_a_run_that_lost_its_lock_takes_no_part_of_another(home: Home, bucket: BucketHome, here: Here) -> None:
    """Names of parts are of one run, so a worker of the one before does not find another text under a name it knows."""
    names: list[str] = []

    def both(answers: list[Answer]) -> list[Answer]:
        names.extend(str(one["part"]) for one in answers)
        return answers[:1]

    here(both)
    for _ in range(2):
        with pytest.raises(PipelineError, match="no worker finished a part"):
            embed(home, cluster(stall_s=0.05))
    assert len(names) == len(set(names)) == 3 + 2
    late = worker(home).embed(names[0])
    assert late["error"].startswith(f"{names[0]} cannot be read by a worker (it is not in {home}/{PARTS}: another run")


def test_a_run_whose_lock_was_taken_away_commits_nothing(home: Home, bucket: BucketHome, here: Here) -> None:
    """Another one may be at the same texts by then: of what it had embedded, nothing comes into the table."""

    def taken(answers: list[Answer]) -> list[Answer]:
        assert bucket.end_locks() >= 1
        return answers

    here(taken)
    with pytest.raises(LockLost, match=r"the lock lake/vectors of s3://\S+ was lost"):
        embed(home, cluster())
    two = bucket.machine("two").home
    assert stored(two) == [] and fragments(two) == 3
    here(lambda answers: answers)
    assert embed(two, cluster()).embedded == 25
    assert embed(home, cluster()).embedded == 0
    assert stored(home) == hashes(bucket) == stored(bucket.machine("three").home)
    assert not {key for key in bucket.there() if key.startswith("scratch")}


@pytest.fixture
def door(bucket: BucketHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Between every machine and the bucket, from the next time it is opened."""
    monkeypatch.setattr(patience, "_PAUSE_S", 0.1)
    with door_before(bucket.store.url) as door:
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
        yield door


def test_while_the_bucket_refuses_worker_and_run_wait(
    door: Door, home: Home, bucket: BucketHome, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than the library tries by itself: while texts are embedded, then while the run fetches and commits."""
    monkeypatch.setattr(base, "COMMIT_EVERY_S", 0.0)
    refused = list[int]()

    @contextmanager
    def away() -> Iterator[None]:
        door.refuse(4)
        yield
        refused.append(door.refused)

    def again(answers: list[Answer]) -> list[Answer]:
        assert not [one for one in answers if "error" in one]
        door.refuse(4)
        return answers

    here.around, here.change = away, again
    embed(home, cluster())
    assert 5 <= refused[0] < door.refused - 5, "more than the library's own tries, both times"
    assert stored(home) == hashes(bucket) == stored(bucket.machine("two").home)
    assert fragments(home) == 3, "nothing was done twice"


def test_a_commit_that_the_bucket_was_away_for_is_carried_and_not_made_again(
    door: Door, home: Home, bucket: BucketHome, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = StoredObjects.create, list[str]()

    def away(self: StoredObjects, key: str, data: bytes | Path) -> str:
        if key.startswith("lake/vectors/_delta_log"):
            times.append(key)
            if len(times) == 2:
                door.refuse(4)
        return real(self, key, data)

    monkeypatch.setattr(StoredObjects, "create", away)
    embed(home, cluster())
    assert len(times) > 2, "it was tried again"
    assert vectors_table(home).version() == 1 == vectors_table(bucket.machine("two").home).version()
    assert stored(home) == hashes(bucket) == stored(bucket.machine("two").home)


@pytest.mark.parametrize(
    ("method", "says"), [("GET", "cannot be read by a worker (s3://"), ("PUT", "was not embedded: s3://")]
)
def test_a_worker_without_rights_says_where_and_what_to_set_and_never_a_key(
    home: Home, bucket: BucketHome, here: Here, monkeypatch: pytest.MonkeyPatch, method: str, says: str
) -> None:
    """The other way the run ends: with that sentence, and not after minutes."""
    monkeypatch.setattr(patience, "_PAUSE_S", 1e9)
    no = Said(403, b"<Error><Code>AccessDenied</Code></Error>")
    at = urlsplit(bucket.store.url)
    with open_door((at.hostname or "", at.port or 0), lambda asked, path: no if asked == method else None) as denied:

        @contextmanager
        def elsewhere() -> Iterator[None]:
            with pytest.MonkeyPatch.context() as there:
                there.setenv("AWS_ENDPOINT_URL", denied.url)
                yield

        here.around = elsewhere
        with pytest.raises(PipelineError) as refused:
            embed(home, cluster())
    told = str(refused.value)
    assert says in told and "access denied (403); set AWS_ACCESS_KEY_ID" in told
    assert f"each node reaches {home} by its own environment" in told and socket.gethostname() in told
    assert SECRET not in told and "AKIA" not in told
    assert stored(home) == []
