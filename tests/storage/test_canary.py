"""A split of replicas that share nothing but the bucket and PostgreSQL: what each does, the others do too."""

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import yaml

from rag_pipeline.canary.arms import Arm, Arms
from rag_pipeline.canary.audit import settle
from rag_pipeline.channels.audit_rows import UNSPLIT, all_rows
from rag_pipeline.gate.policy import Policy, read_policy
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.lake import collected
from rag_pipeline.release.served import keep_traffic, lacking
from rag_pipeline.replicas.arms import arms_of
from rag_pipeline.replicas.standing import EVERY_S
from rag_pipeline.traffic.evidence import SETTLED
from rag_pipeline.traffic.ingest import ingest
from tests.conftest import Workspace
from tests.support.asked_rows import stored
from tests.support.bucket_home import BucketHome, on_each_store, taken_to
from tests.support.canaries import Trying, break_open, trying
from tests.support.replicas import Running, key_for, replica, serving_home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FLOOR = {"golden_sets": {"questions": {"floors": {"nDCG@10": 0.5}, "not_worse": None}}}
AFTER = {"channel": "canary", "hours": 1, "queries": 60, "principals": 3}
SERVING = {"errors_max_percent": 20}
SESSIONS = 20
"""Of each of three principals, in each arm."""


def demanding(workspace: Workspace) -> Policy:
    """Production wants to see what the canary channel answered."""
    channels = {"canary": FLOOR, "production": {**FLOOR, "after": AFTER, "serving": SERVING}}
    (workspace.root / "evals" / "gate.yaml").write_text(yaml.safe_dump({"channels": channels}), encoding="utf-8")
    return read_policy(workspace.settings.evals)


def counts(arms: Arms) -> tuple[int, int]:
    return arms.stable.queries, arms.canary.queries


def counted(home: Home, tried: Trying) -> tuple[int, int]:
    """What all replicas counted of both arms, as soon as all of them have written it."""
    while True:
        before = counts(arms_of(home, tried.now()))
        time.sleep(3 * EVERY_S)
        if before == (now := counts(arms_of(home, tried.now()))):
            return now


def questions(tried: Trying, at: Running, other: Running) -> Counter[Arm]:
    """Sessions of both arms ask each replica in turn, and the same session is in the same arm at both; who answered."""
    answered: Counter[Arm] = Counter()
    arms: tuple[Arm, ...] = ("stable", "canary")
    for number in range(SESSIONS):
        for arm in arms:
            asked = {"query": f"when does the canteen open on day {number} of the month"}
            told = [tried.ask(one, arm, number, **asked).json() for one in (at, other)]
            assert [one["arm"] for one in told] == [arm, arm]
            assert {one["release"] for one in told} == {tried.canary if arm == "canary" else tried.stable}
            answered[arm] += 2
    return answered


@on_each_store
def test_replicas_that_share_only_the_bucket_split_the_traffic_alike_and_stop_a_canary_that_fails(
    bucket: BucketHome, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving_home(workspace)
    there = taken_to(bucket, workspace, monkeypatch)
    policy = demanding(there)
    keys = [key_for(there.home, "search") for _ in range(3)]
    said: list[dict[str, Any]] = [
        {"RAG_QUERY_TEXT": "masked", "RAG_CACHE": str(bucket.folder / name)} for name in ("two", "three")
    ]
    views = [bucket.machine(name).home.views for name in ("two", "three")]
    with replica(there, **said[0]) as first, replica(there, **said[1]) as second:
        replicas = [first, second]
        before = {path for folder in views for path in folder.iterdir()}
        tried = trying(there, keys[0])
        for one in replicas:
            one.wait_until(lambda one=one: tried.ask(one, "canary").json().get("arm") == "canary", "the canary")  # type: ignore[misc]

        had = counted(there.home, tried)
        answered: Counter[Arm] = Counter()
        for key in keys:
            answered += questions(replace(tried, key=key), *replicas)
        ended = datetime.now(UTC)
        now = counted(bucket.machine("four").home, tried)
        assert (now[0] - had[0], now[1] - had[1]) == (answered["stable"], answered["canary"])

        manifest = read_manifest(there.home.release(tried.canary))
        admin = bucket.machine("four").home

        def lacks() -> str:
            return "\n".join(one.message for one in lacking(admin, policy, "production", manifest, datetime.now(UTC)))

        assert "there is no evidence of traffic" in lacks()
        time.sleep(max(0.0, (ended + SETTLED + timedelta(seconds=2) - datetime.now(UTC)).total_seconds()))
        tried.ask(first, "stable", 99)  # what counts is what came a minute before the newest
        time.sleep(3)  # until it was sent
        ingest(admin, "queries", datetime.now(UTC), days=90)
        made = keep_traffic(admin, policy, manifest, datetime.now(UTC), "run")["production"]
        assert (made.served.principals, made.served.errors, made.edited, made.twice, made.lost) == (3, 0, 0, 0, 0)
        assert lacks() == "", "what replicas of the bucket answered is what the gate counts"
        rows = stored(admin)
        assert {row["arm"] for row in rows if row["release"] == tried.canary} == {"canary"}

        broken = {path for folder in views for path in folder.iterdir() if path.is_dir()} - before
        assert {path.parent for path in broken} == set(views), "each machine has opened it"
        break_open(broken)
        began, statuses = datetime.now(UTC), list[int]()

        def is_stopped() -> bool:
            statuses.append(tried.ask(replicas[len(statuses) % 2], "canary", len(statuses) % 7).status_code)
            return tried.now().percent == 0

        first.wait_until(is_stopped, "the stop")
        stopped = tried.now()
        assert stopped.by_replica and stopped.why.startswith("errors: ")
        assert stopped.arms.stable.errors == 0 and stopped.arms.canary.errors >= 2, "counted together"
        for one in replicas:
            one.wait_until(lambda one=one: tried.ask(one, "canary").json().get("arm") == "stable", "the stable release")  # type: ignore[misc]
        seconds = [(at - began).total_seconds() for at in (stopped.at, datetime.now(UTC))]
        (bucket.folder / "stopped").write_text(f"stopped and followed after {seconds} s: {stopped.why}")
        assert seconds[1] < 60, "30 on a machine that is not busy"
    settle(there.home)
    settle(bucket.machine("five").home)
    [row] = collected(all_rows(there.home).filter(pl.col("action") == UNSPLIT)).to_dicts()
    assert (row["channel"], row["by"], row["why"]) == ("production", stopped.by, stopped.why)
