"""A real Ray cluster and a home in a bucket: every text once, whoever dies, and however long the bucket is away."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.corpus.engines import base
from rag_pipeline.corpus.engines.parts import FOLDER
from rag_pipeline.defs.run import refresh
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from tests.conftest import Workspace
from tests.support.bucket_handbook import answers
from tests.support.bucket_home import BucketHome
from tests.support.bucket_hosts import passed_on
from tests.support.ray_cluster import (
    all_gone,
    cluster,
    embed,
    fragments,
    store_texts,
    stored,
    vectors_of,
    when_there_are,
    workers,
)
from tests.support.refusing_store import Door, door_before
from tests.support.two_hosts import ADDRESS, BESIDE, HEAD, NODE, can_be, two_hosts

pytest.importorskip("ray", reason="Ray is not installed: `make ray-env`")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TEXTS, PARTS = 240, 24
MOMENTS = pytest.mark.parametrize("moment", [1, PARTS // 2, PARTS - 3], ids=["first", "middle", "last"])


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "COMMIT_EVERY_S", 0.2)


@pytest.fixture
def door(bucket: BucketHome, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Between everybody and the bucket: it counts, and refuses."""
    with door_before(bucket.store.url) as door:
        monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
        yield door


@pytest.fixture
def home(door: Door, bucket: BucketHome) -> Home:
    claim_home(bucket.machine("one"))
    return bucket.machine("one").home


def parts(bucket: BucketHome) -> list[str]:
    return [key for key in bucket.there() if key.startswith(f"scratch/{FOLDER}")]


def test_two_workers_give_every_text_once_the_vectors_of_this_process(
    home: Home, bucket: BucketHome, door: Door, tmp_path: Path
) -> None:
    hashes = store_texts(home, 640)
    asked, sent, got = bucket.store.requests(), door.sent, door.got
    report = embed(home, cluster(2, part=20))
    asked, sent, got = bucket.store.requests() - asked, door.sent - sent, door.got - got
    print(f"{dict(asked)} requests, {sent:,} bytes to the bucket and {got:,} from it for 32 parts")  # noqa: T201
    assert report.embedded == len(hashes) == 640
    assert stored(home) == sorted(hashes) == stored(bucket.machine("two").home), "each once, on each machine"
    assert fragments(home) == 32 and not parts(bucket)
    other = Home(tmp_path / "local")
    assert store_texts(other, 640) == hashes
    local = embed(other, None)
    assert (report.model, report.texts_fingerprint) == (local.model, local.texts_fingerprint)
    here, there = vectors_of(other), vectors_of(home)
    assert min(float(here[text] @ there[text]) for text in hashes) >= 0.999999
    started = time.monotonic()
    assert embed(bucket.machine("three").home, cluster(2, address="nobody.invalid:1")).embedded == 0
    assert time.monotonic() - started < 60, "no cluster is looked for where nothing is new"


def test_a_night_with_workers_comes_to_the_release_of_a_night_without(
    bucket: BucketHome, door: Door, handbook: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "of-the-workers"))
    machine = bucket.of(handbook, "one", embed_engine="ray", embed_workers="1", embed_minimum=1, embed_part=1)
    done = refresh(machine)
    assert done.success, done.errors
    assert done.assets["corpus/embeddings"]["embedded"] == 3 == fragments(machine.home) and not parts(bucket)
    there = read_channel(machine.home, "production")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "of-the-folder"))
    monkeypatch.delenv("RAG_LOCKS")
    alone = refresh(handbook.settings)
    local = read_channel(handbook.home, "production")
    assert alone.success and there and local and there.fingerprint == local.fingerprint
    assert answers(handbook.settings) == answers(machine)


@MOMENTS
def test_a_worker_that_dies(home: Home, bucket: BucketHome, moment: int) -> None:
    hashes = store_texts(home, TEXTS)
    killed: list[int] = []

    def kill() -> None:
        process = workers()[0]
        process.kill()
        killed.append(process.pid)

    with when_there_are(home, moment, kill):
        embed(home, cluster(2))
    assert len(killed) == 1
    assert stored(home) == sorted(hashes) == stored(bucket.machine("two").home)
    assert fragments(home) - PARTS <= 2, "no more is done again than the parts it was at"
    assert not parts(bucket)


@MOMENTS
def test_a_run_that_dies(home: Home, bucket: BucketHome, moment: int) -> None:
    """Its machine is lost with it; another one goes on from what the bucket has."""
    hashes = store_texts(home, TEXTS)
    command = [sys.executable, "-m", "tests.support.ray_cluster", bucket.uri, "local", "2"]
    driver = subprocess.Popen(command, env={**os.environ, "RAG_CACHE": str(bucket.folder / "driver")})
    below: list[int] = []

    def kill() -> None:
        below.extend(one.pid for one in workers(driver.pid))
        driver.kill()

    with when_there_are(home, moment, kill) as deed:
        driver.wait(400)
    assert below, "workers were at work"
    assert all_gone(below), "they end with the run"
    assert parts(bucket), "what it could not remove"
    before = stored(bucket.machine("looks").home)
    assert len(before) == len(set(before)) < TEXTS
    second = bucket.machine("second").home
    report = embed(second, cluster(2))
    assert report.reused == len(before)
    assert stored(second) == sorted(hashes) == stored(bucket.machine("third").home)
    assert fragments(second) <= PARTS + deed.fragments - len(before) // 10 + 4, "what was not committed, and was under way"
    assert not parts(bucket)


@pytest.mark.skipif(not can_be(), reason="needs root and `ip netns`, for hosts on one machine")
def test_a_node_dies_of_a_cluster_that_shares_nothing_with_the_run_but_the_bucket(
    home: Home, bucket: BucketHome, tmp_path: Path
) -> None:
    """Head and node see no folder of any machine's, and are told no PostgreSQL. The run is on a third host."""
    hashes = store_texts(home, TEXTS)

    @contextmanager
    def outside(address: str) -> Iterator[dict[str, dict[str, str]]]:
        store_port = int(bucket.store.url.rpartition(":")[2])
        with passed_on(address, store_port) as store, passed_on(address, bucket.server.port) as locks:
            worker = {"AWS_ENDPOINT_URL": f"http://{address}:{store}", "RAG_LOCKS": ""}
            run = {"RAG_LOCKS": bucket.locks.replace(f"127.0.0.1:{bucket.server.port}", f"{address}:{locks}")}
            run["RAG_CACHE"] = str(bucket.folder / "driver")
            yield {HEAD: worker, NODE: worker, BESIDE: worker | run}

    with two_hosts(tmp_path, outside=outside, hidden=[bucket.folder]) as hosts:
        assert [hosts.within(name, "ls", str(bucket.folder)).stdout for name in (HEAD, NODE)] == ["", ""]
        killed: list[int] = []
        driver = hosts.begun(BESIDE, sys.executable, "-m", "tests.support.ray_cluster", bucket.uri, ADDRESS, "2")
        with when_there_are(home, PARTS // 2, lambda: killed.append(hosts.kill(NODE))):
            said, _ = driver.communicate(timeout=500)
        log = (tmp_path / f"{BESIDE}.log").read_text()[-2_000:]
        assert (driver.returncode, said.split()[-1:]) == (0, [str(TEXTS)]), log
    assert killed[0] >= 2, "raylet and worker"
    reader = bucket.machine("reader").home
    assert stored(reader) == sorted(hashes)
    assert fragments(reader) - PARTS <= 4, "no more is done again than what was under way"
    assert not parts(bucket)


def test_a_bucket_that_refuses_for_half_a_minute(home: Home, bucket: BucketHome, door: Door) -> None:
    hashes = store_texts(home, TEXTS)
    with when_there_are(home, PARTS // 3, lambda: door.refuse(30)):
        embed(home, cluster(2))
    assert door.refused >= 10, "workers, and the run, came again"
    assert stored(home) == sorted(hashes) == stored(bucket.machine("two").home)
    assert fragments(home) == PARTS, "nothing was done twice"
    assert not parts(bucket)
