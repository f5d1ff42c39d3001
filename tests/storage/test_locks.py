"""Locks that all machines know, on a real PostgreSQL."""

import threading
import time

import pytest

from rag_pipeline.errors import HomeUnreachable, LockLost, PipelineError
from rag_pipeline.storage.locks import PostgresLocks
from tests.support.bucket_home import BucketHome


def test_one_holds_it_and_the_other_waits_or_is_told(bucket: BucketHome) -> None:
    one, two = PostgresLocks(bucket.locks, bucket.uri), PostgresLocks(bucket.locks, bucket.uri)
    with one.holding("refresh", 0) as held:
        assert held
        started = time.monotonic()
        with two.holding("refresh", 0.5) as other:
            assert not other
        assert time.monotonic() - started >= 0.5
        with two.holding("refresh", 0) as other:
            assert not other
        with two.holding("alerts", 0) as other:
            assert other, "another lock"
        with PostgresLocks(bucket.locks, f"{bucket.uri}-2").holding("refresh", 0) as other:
            assert other, "another home"
        got: list[bool] = []

        def wait() -> None:
            with two.holding("refresh", 20) as other:
                got.append(other)

        waiting = threading.Thread(target=wait)
        waiting.start()
    waiting.join(20)
    assert got == [True]


def test_a_lock_whose_session_the_server_ended_is_not_relied_on(bucket: BucketHome) -> None:
    locks = PostgresLocks(bucket.locks, bucket.uri)
    with locks.holding("refresh", 0):
        locks.check()
        assert bucket.end_locks() == 1
        with pytest.raises(
            LockLost, match=r"the lock refresh of s3://.* was lost .*; run the command again|run the command"
        ):
            locks.check()
        with PostgresLocks(bucket.locks, bucket.uri).holding("refresh", 0) as other:
            assert other, "another machine may have it now"
    locks.check()


def test_no_message_holds_the_address(bucket: BucketHome) -> None:
    for url in (
        bucket.locks.replace("admin-of-the-tests", "secret-of-locks"),
        "postgresql+psycopg://user:secret-of-locks@127.0.0.1:9/x",
        "postgresql://user:secret-of-locks@127.0.0.1:not-a-port/x",
    ):
        with (
            pytest.raises(HomeUnreachable, match="the PostgreSQL that RAG_LOCKS names does not give locks") as told,
            PostgresLocks(url, bucket.uri).holding("refresh", 0),
        ):
            pass
        assert "secret-of-locks" not in f"{told.value}{told.value.__cause__}" and told.value.__suppress_context__


def test_a_home_waits_for_the_lock_of_another_machine(bucket: BucketHome) -> None:
    one, two = bucket.machine("one").home, bucket.machine("two").home
    with (
        one.exclusive("refresh", wait_s=0),
        pytest.raises(
            PipelineError, match=r"another machine has been writing refresh in s3://.*for \d+ s; wait for that run"
        ),
        two.exclusive("refresh", wait_s=0),
    ):
        pass
    with two.exclusive("refresh", wait_s=0), one.exclusive("alerts", wait_s=0):
        pass
