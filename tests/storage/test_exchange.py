"""What replicas on several machines log goes to the bucket, and from there into a table: each row once, nobody's lost."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import rag_pipeline.traffic.ingest as ingest_module
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.mirrored import exchange
from rag_pipeline.settings import settings_of
from rag_pipeline.storage.objects import StoredObjects, in_bucket
from rag_pipeline.traffic import spool as module
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.marks import KEY, marks_of
from rag_pipeline.traffic.rows import Kind, table
from rag_pipeline.traffic.segments import whole
from rag_pipeline.traffic.sender import Sender
from rag_pipeline.traffic.spool import Spool
from tests.support.asked_rows import NOW, asked, segment, stored
from tests.support.bucket_home import BucketHome, on_each_store
from tests.support.killed_in_bucket import Killer

LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _a_home(bucket: BucketHome) -> None:
    claim_home(bucket.machine("owner"))


def logged(home: Home, numbers: range) -> Spool:
    """A replica's log of some questions, written and closed."""
    rows: dict[Kind, Any] = {"queries": asked, "feedback": asked}
    log = Spool(home, rows, every_s=0.05)
    assert all(log.put("queries", number) for number in numbers)
    log.close()
    return log


def waits(home: Home) -> dict[str, float]:
    """Segments in the bucket, as any machine sees them."""
    there = exchange(home.traffic)
    assert there
    return {name: at for name, at in there.waiting().items() if name != KEY}


def sent(home: Home) -> None:
    """What lies on a machine is sent."""
    there = exchange(home.traffic)
    assert there
    for path in whole(home.traffic):
        there.send(path)


def ids(numbers: range) -> list[str]:
    return [str(asked(number)["query_id"]) for number in numbers]


@on_each_store
def test_what_replicas_of_two_machines_logged_is_in_the_table_of_a_third_once(
    bucket: BucketHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (bucket.machine(name).home for name in ("one", "two", "three"))
    monkeypatch.setattr(module, "MOST", 20)
    logged(one, range(20))
    slow: dict[Kind, Any] = {"queries": asked, "feedback": asked}
    log = Spool(two, slow, every_s=3600)
    assert [log.put("queries", number) for number in range(100, 125)] == [True] * 20 + [False] * 5
    log.close()
    assert waits(three).keys() == waits(one).keys() != set()
    assert not whole(one.traffic) and not whole(two.traffic), "nothing stays on a replica"
    assert not whole(three.traffic), "and no machine has copies"
    begun = datetime.now(UTC)
    done = ingest(three, "queries", begun, days=36_500)
    assert (done.rows, done.known, done.lost) == (40, 0, 5)
    assert 0 <= done.longest_wait_s < 600
    assert [row["query_id"] for row in stored(bucket.machine("four").home)] == [*ids(range(20)), *ids(range(100, 120))]
    assert waits(three) == {}
    assert not list(three.scratch.rglob("*.arrow"))
    assert ingest(one, "queries", begun, days=36_500).rows == 0


@on_each_store
def test_while_the_bucket_cannot_be_reached_segments_wait_on_the_disk_and_the_next_replica_sends_them(
    bucket: BucketHome, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = bucket.machine("one").home
    good = bucket.mirror("one").objects
    monkeypatch.setattr(bucket.mirror("one"), "objects", nowhere(bucket))
    log = logged(home, range(10))
    assert log.kept["queries"] == 10 and not log.lost.total(), "the disk has them"
    assert "stays on this machine for now" in caplog.text and f"were not sent to {bucket.store.scheme}://" in caplog.text
    monkeypatch.setattr(bucket.mirror("one"), "objects", good)
    assert waits(home) == {} and whole(home.traffic)
    logged(home, range(10, 12))
    assert not whole(home.traffic)
    assert ingest(bucket.machine("two").home, "queries", LATER, days=36_500).rows == 12


def nowhere(bucket: BucketHome) -> StoredObjects:
    """Objects of a bucket that is not there: refused at once, as by a store whose credentials are gone."""
    gone = in_bucket(f"{bucket.store.scheme}://no-such-bucket/home")
    gone.name = bucket.uri
    return gone


@on_each_store
def test_more_than_so_many_segments_are_not_sent_where_nobody_ingests(
    bucket: BucketHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = bucket.machine("one").home
    for number in range(4):
        segment(home, [asked(number)], number)
    there = exchange(home.traffic)
    assert there
    Sender(home, there, every_s=3600, most=3).close()
    assert len(waits(home)) == 4, "three and more were not there when it looked"
    segment(home, [asked(9)], 9)
    Sender(home, there, every_s=3600, most=3).close()
    assert len(waits(home)) == 4 and len(whole(home.traffic)) == 1


@on_each_store
def test_a_segment_that_was_sent_and_not_removed_here_is_sent_again_to_no_effect(bucket: BucketHome) -> None:
    home = bucket.machine("one").home
    for taken in (False, True):
        segment(home, [asked(1), asked(2)], 7)
        sent(home)
        segment(home, [asked(1), asked(2)], 7)
        if taken:
            ingest(bucket.machine("two").home, "queries", LATER, days=36_500)
        sent(home)
        assert len(waits(home)) == 1
        ingest(home, "queries", LATER, days=36_500)
    assert [row["query_id"] for row in stored(home)] == ids(range(1, 3))


@on_each_store
def test_a_damaged_object_is_set_aside_in_the_bucket_and_told_on_every_machine(bucket: BucketHome) -> None:
    home = bucket.machine("one").home
    logged(home, range(5))
    [name] = waits(home)
    found = bucket.objects.read(f"traffic/{name}")
    assert found
    bucket.objects.put(f"traffic/{name}", found.data[:-1] + bytes([found.data[-1] ^ 1]))
    logged(home, range(5, 9))
    done = ingest(home, "queries", LATER, days=36_500)
    assert (done.rows, done.damaged) == (4, (f"{name}.damaged",))
    assert ingest(bucket.machine("two").home, "queries", LATER, days=36_500).damaged == (f"{name}.damaged",)
    assert list(waits(home)) == [f"{name}.damaged"]


@on_each_store
def test_the_key_that_marks_who_asked_is_one_for_all_machines_however_many_make_it_at_once(bucket: BucketHome) -> None:
    homes = [bucket.machine(f"m{number}").home for number in range(6)]
    with ThreadPoolExecutor(len(homes)) as threads:
        made = list(threads.map(lambda home: marks_of(home, ""), homes))
    identity = f"q_{1_780_000_000_123:012x}{'a' * 16}"
    mine = made[0].bound(identity, "k_1")
    assert all(marks.asked_by(mine, "k_1") for marks in made), "a verdict may come to any replica"
    later = marks_of(bucket.machine("later").home, "")
    assert later.asked_by(mine, "k_1")
    assert f"traffic/{KEY}" in bucket.there()


def _work(environment: dict[str, str], uri: str, cache: str, kill_at: int, moments: Any) -> None:
    """Send what waits on this machine, and ingest; the process ends at one of the moments."""
    os.environ |= environment
    ingest_module.ROWS_A_COMMIT = 4  # several commits, so that a kill falls between two
    home = settings_of({"home": uri, "cache": Path(cache)}, lambda name: name).home
    killer = Killer(kill_at)
    killer.watch()
    there = exchange(home.traffic)
    assert there
    Sender(home, there, every_s=3600, most=100).close()
    ingest(home, "queries", LATER, days=36_500)
    moments.extend(killer.moments)


@on_each_store
@pytest.mark.slow
def test_a_kill_at_every_change_of_an_object_loses_nothing_and_doubles_nothing(bucket: BucketHome) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    every = ids(range(12))
    known = {name: said for name, said in os.environ.items() if name.startswith(("RAG_", "AWS_", "AZURE_"))}

    def prepared(name: str) -> BucketHome:
        own = BucketHome(f"{bucket.uri}-{name}", bucket.store, bucket.server, bucket.locks, bucket.folder)
        claim_home(own.machine(f"{name}-replica"))
        home = own.machine(f"{name}-replica").home
        segment(home, [asked(0), asked(1)], 0)
        sent(home)
        ingest(own.machine(f"{name}-other").home, "queries", LATER, days=36_500)
        for number in range(5):
            segment(home, [asked(2 + number * 2), asked(3 + number * 2)], 1 + number)
        return own

    def run(own: BucketHome, name: str, kill_at: int = 0) -> tuple[int | None, list[str]]:
        moments = manager.list()
        cache = str(own.folder / f"{name}-replica")
        worker = context.Process(target=_work, args=(known, own.uri, cache, kill_at, moments))
        worker.start()
        worker.join()
        return worker.exitcode, list(moments)

    with context.Manager() as manager:
        code, moments = run(prepared("whole"), "whole")
        assert code == 0 and len(moments) >= 20
        for number, moment in enumerate(moments, start=1):
            name = f"killed-{number}"
            own = prepared(name)
            assert run(own, name, number)[0] == -signal.SIGKILL, moment
            ingest(own.machine(f"{name}-second").home, "queries", LATER, days=36_500)
            run(own, name)
            assert [row["query_id"] for row in stored(own.machine(f"{name}-reader").home)] == every, moment
            assert table(own.machine(f"{name}-reader").home, "queries").version() >= 1
            assert not [key for key in own.there() if key.startswith("traffic/")], moment
            assert not list(own.machine(f"{name}-replica").home.traffic.iterdir()), moment
