"""kill -9 of a run that has texts embedded into a bucket, before and after each change of an object; its worker dies too.

The next run, on the same machine or another, does what is left: every text once, and no part stays for long.
"""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.corpus.engines import base, on_ray
from rag_pipeline.home_mark import claim_home
from rag_pipeline.release.sweeping import sweep_up
from rag_pipeline.settings import settings_of
from tests.support.bucket_home import BucketHome
from tests.support.killed_in_bucket import Killer
from tests.support.ray_cluster import cluster, embed, fragments, store_texts, stored
from tests.support.workers_here import Here, in_this_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TEXTS, PARTS = 25, 3


def _run(environment: dict[str, str], uri: str, cache: str, kill_at: int, moments: Any) -> None:
    """Embed what is missing; the process ends at one of the moments."""
    os.environ |= environment
    base.COMMIT_EVERY_S = 0.0  # a commit for each fragment
    patched = pytest.MonkeyPatch()
    patched.setattr(on_ray, "RayProcess", in_this_process(Here()))
    patched.setattr(on_ray, "check_installed", lambda: None)
    home = settings_of({"home": uri, "cache": Path(cache)}, str).home
    killer = Killer(kill_at)
    killer.watch()
    embed(home, cluster())
    moments.extend(killer.moments)


def test_a_run_killed_at_a_change_of_an_object_is_done_by_the_next_one(bucket: BucketHome) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "rag_pipeline.storage.attach", "torch"])
    known = {name: said for name, said in os.environ.items() if name.startswith(("RAG_", "AWS_"))}

    def prepared(name: str) -> tuple[BucketHome, list[str]]:
        own = BucketHome(f"{bucket.uri}-{name}", bucket.store, bucket.server, bucket.locks, bucket.folder)
        claim_home(own.machine(f"{name}-first"))
        return own, sorted(store_texts(own.machine(f"{name}-first").home, TEXTS))

    def run(own: BucketHome, machine: str, kill_at: int = 0) -> tuple[int | None, list[str]]:
        moments = manager.list()
        worker = context.Process(target=_run, args=(known, own.uri, str(own.folder / machine), kill_at, moments))
        worker.start()
        worker.join()
        return worker.exitcode, list(moments)

    with context.Manager() as manager:
        whole, _ = prepared("whole")
        code, moments = run(whole, "whole-run")
        assert code == 0 and len(moments) >= 2 * (PARTS + PARTS + PARTS)
        print(len(moments), "moments")  # noqa: T201
        for number, moment in enumerate(moments, start=1):
            name = f"killed-{number}"
            own, wanted = prepared(name)
            assert run(own, f"{name}-run", number)[0] == -signal.SIGKILL, moment
            before = stored(own.machine(f"{name}-looks").home)
            assert len(before) == len(set(before)), moment
            code, _ = run(own, f"{name}-{('run', 'other')[number % 2]}")
            assert code == 0, moment
            assert stored(own.machine(f"{name}-reader").home) == wanted, (moment, "each once")
            assert fragments(own.machine(f"{name}-reader").home) <= 2 * PARTS - len(before) // 10, moment
            left = [key for key in own.there() if key.startswith("scratch/")]
            assert not left or len(before) == TEXTS, (moment, "who embeds what is missing removes them first")
            assert sorted(sweep_up(own.machine(f"{name}-reader").home, (), dry_run=False).scratch) == sorted(left)
            assert not [key for key in own.there() if key.startswith("scratch/")], moment
