"""A replica writes how it stands, says when it ends, and is told apart from one that was killed."""

import shutil
import time
from datetime import UTC, datetime, timedelta

from rag_pipeline.replicas.levels import counted, troubles
from rag_pipeline.replicas.standing import Standing, standings
from tests.conftest import Workspace
from tests.support.replicas import Running, key_for, replica


def own(workspace: Workspace, running: Running) -> Standing:
    return next(one for one in standings(workspace.home) if f"-{running.process.pid}-" in one.replica)


def test_a_replica_tells_what_it_answers_from_and_how_many_it_answered_and_that_it_ended(served: Workspace) -> None:
    key = key_for(served.home)
    with replica(served) as running:
        assert running.ask(key, {"query": "may I fly"}).status_code == 200
        assert running.ask(None, {"query": "may I fly"}).status_code == 401
        release = running.get("/v1/release", key).json()["release"]
        running.wait_until(lambda: counted(own(served, running).minutes, datetime.now(UTC)).answered == 2, "its counts")
        told = own(served, running)
        assert (told.url, told.channels["production"].release, told.ended_at) == (running.url, release, None)
        assert told.channels["production"].since is not None and told.channels["production"].trouble == ""
        counts = counted(told.minutes, datetime.now(UTC))
        assert counts.requests == 2, "neither a look at its health nor a stranger's request counts"
    ended = own(served, running)
    assert ended.ended_at is not None
    assert troubles([ended], ended.ended_at + timedelta(minutes=5)) == []


def test_a_replica_that_is_killed_is_silent_and_one_that_cannot_write_answers_all_the_same(served: Workspace) -> None:
    key = key_for(served.home)
    with replica(served) as running:
        running.wait_until(lambda: bool(standings(served.home)), "its file")
        shutil.rmtree(served.home.replicas)
        try:
            served.home.replicas.write_text("a file where the folder should be")
        except IsADirectoryError:  # it wrote in between
            shutil.rmtree(served.home.replicas)
            served.home.replicas.write_text("a file where the folder should be")
        time.sleep(6)
        assert running.ask(key, {"query": "may I fly"}).status_code == 200
        served.home.replicas.unlink()
        running.wait_until(lambda: bool(standings(served.home)), "its file, written again")
        running.kill()
        killed = own(served, running)
        assert killed.ended_at is None
        [says] = troubles([killed], killed.written_at + timedelta(minutes=1))
        assert "it was killed, or its machine is gone" in says
