"""A real Ray cluster on this machine: every text once, whoever dies."""

import signal

import pytest

from rag_pipeline.corpus.engines import base
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from tests.support.ray_cluster import all_gone, cluster, embed, fragments, store_texts, stored, when_there_are, workers

pytest.importorskip("ray", reason="Ray is not installed: `make ray-env`")

pytestmark = pytest.mark.slow  # each starts a cluster: 23 CPU seconds


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "COMMIT_EVERY_S", 0.2)


def test_a_worker_that_is_killed_is_replaced_and_its_parts_are_done_again(home: Home) -> None:
    hashes = store_texts(home, 120)
    killed: list[int] = []

    def kill() -> None:
        for process in workers():
            process.kill()
            killed.append(process.pid)

    with when_there_are(home, 3, kill) as deed:
        report = embed(home, cluster())
    assert killed, "a worker was there to be killed"
    assert deed.fragments < 12, "there was something left to do"
    assert report.embedded == 120
    assert stored(home) == sorted(hashes), "each once"
    assert fragments(home) - 12 <= 2, "no more is done again than what was under way"
    assert not (home.scratch / "embed-parts").exists()
    assert embed(home, cluster()).embedded == 0


def test_workers_that_stop_are_given_up_and_what_came_is_kept(home: Home) -> None:
    hashes, how = store_texts(home, 120), cluster()
    stopped: list[int] = []

    def stop() -> None:
        for process in workers():
            process.send_signal(signal.SIGSTOP)
            stopped.append(process.pid)
        object.__setattr__(how, "stall_s", 3.0)  # not before the cluster is up, which takes a busy machine a minute

    with when_there_are(home, 3, stop), pytest.raises(PipelineError) as refused:
        embed(home, how)
    assert "no worker finished a part for 3 s (RAG_EMBED_STALL_S), with 1 workers wanted (CPUs: 1, " in str(refused.value)
    assert "parts are left (part-0" in str(refused.value)
    kept = stored(home)
    assert len(kept) == len(set(kept)) >= 30
    assert all_gone(stopped), "what was given up does not go on"
    report = embed(home, None)
    assert report.reused == len(kept)
    assert stored(home) == sorted(hashes)
