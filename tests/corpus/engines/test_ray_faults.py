"""A real Ray cluster whose workers, nodes and drivers die by kill -9, and whose inputs are bad. Minutes long."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rag_pipeline.corpus.engines import base
from rag_pipeline.corpus.engines.parts import FOLDER
from rag_pipeline.corpus.model import same_machine
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from tests.support.model_copies import copy_of_model
from tests.support.ray_cluster import (
    all_gone,
    cluster,
    embed,
    fragments,
    model_in,
    store_texts,
    stored,
    vectors_of,
    when_there_are,
    workers,
)
from tests.support.two_hosts import ADDRESS, BESIDE, NODE, can_be, two_hosts

pytest.importorskip("ray", reason="Ray is not installed: `make ray-env`")
pytestmark = pytest.mark.slow

TEXTS, PARTS = 240, 24


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "COMMIT_EVERY_S", 0.2)


def test_two_workers_give_every_text_once_the_vectors_of_this_process(home: Home, tmp_path: Path) -> None:
    hashes = store_texts(home, 2_000)
    report = embed(home, cluster(2, part=100))
    assert report.embedded == len(hashes) == 2_000
    assert stored(home) == sorted(hashes), "each once"
    other = Home(tmp_path / "local")
    assert store_texts(other, 2_000) == hashes
    local = embed(other, None)
    assert (report.model, report.texts_fingerprint) == (local.model, local.texts_fingerprint)
    here, there = vectors_of(other), vectors_of(home)
    assert min(float(here[text] @ there[text]) for text in hashes) >= 0.999999
    started = time.monotonic()
    assert embed(home, cluster(2, address="nobody.invalid:1")).embedded == 0
    assert time.monotonic() - started < 60, "no cluster is looked for where nothing is new"


@pytest.mark.parametrize("moment", [1, PARTS // 2, PARTS - 3], ids=["first", "middle", "last"])
def test_a_worker_that_dies(home: Home, moment: int) -> None:
    hashes = store_texts(home, TEXTS)
    killed: list[int] = []

    def kill() -> None:
        process = workers()[0]
        process.kill()
        killed.append(process.pid)

    with when_there_are(home, moment, kill):
        embed(home, cluster(2))
    assert len(killed) == 1
    assert stored(home) == sorted(hashes)
    assert fragments(home) - PARTS <= 2, "no more is done again than the parts it was at"


@pytest.mark.parametrize("moment", [1, PARTS // 2, PARTS - 3], ids=["first", "middle", "last"])
def test_a_driver_that_dies(home: Home, moment: int) -> None:
    hashes = store_texts(home, TEXTS)
    driver = subprocess.Popen([sys.executable, "-m", "tests.support.ray_cluster", str(home.root), "local", "2"])
    below: list[int] = []

    def kill() -> None:
        below.extend(one.pid for one in workers(driver.pid))
        driver.kill()

    with when_there_are(home, moment, kill) as deed:
        driver.wait(400)
    assert below, "workers were at work"
    assert all_gone(below), "they end with the driver"
    before = stored(home)
    assert len(before) == len(set(before)) < TEXTS
    report = embed(home, cluster(2))
    assert report.reused == len(before)
    assert stored(home) == sorted(hashes)
    assert fragments(home) <= PARTS + deed.fragments - len(before) // 10 + 4, (
        "what was not committed, and what was under way"
    )


@pytest.mark.skipif(not can_be(), reason="needs root and `ip netns`, for two hosts on one machine")
@pytest.mark.parametrize("moment", [1, PARTS // 2, PARTS - 3], ids=["first", "middle", "last"])
def test_a_node_that_dies(home: Home, tmp_path: Path, moment: int) -> None:
    """The driver is on a third host, which joins the cluster as a node without CPUs."""
    hashes = store_texts(home, TEXTS)
    with two_hosts(tmp_path) as hosts:
        killed: list[int] = []
        driver = hosts.begun(BESIDE, sys.executable, "-m", "tests.support.ray_cluster", str(home.root), ADDRESS, "2")
        with when_there_are(home, moment, lambda: killed.append(hosts.kill(NODE))):
            said, _ = driver.communicate(timeout=500)
        log = (tmp_path / f"{BESIDE}.log").read_text()[-2_000:]
        assert (driver.returncode, said.split()[-1:]) == (0, [str(TEXTS)]), log
    assert killed[0] >= 2, "raylet and worker"
    assert stored(home) == sorted(hashes)
    assert fragments(home) - PARTS <= 4, "no more is done again than what was under way"


def as_soon_as(there: Callable[[], bool], deed: Callable[[], None]) -> threading.Thread:
    def watch() -> None:
        until = time.monotonic() + 300
        while not there() and time.monotonic() < until:
            time.sleep(0.02)
        deed()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_part_that_cannot_be_read_ends_the_run_by_its_name_and_what_came_stays(home: Home) -> None:
    store_texts(home, TEXTS)
    last = home.scratch / FOLDER / f"part-{PARTS - 1:06d}.parquet"

    def spoil() -> None:
        time.sleep(1)
        last.write_bytes(b"PAR1 nothing of it is left PAR1")

    as_soon_as(last.exists, spoil)
    with pytest.raises(PipelineError, match=f"{last.name} cannot be read by a worker"):
        embed(home, cluster())
    kept = stored(home)
    assert len(kept) == len(set(kept)) > 0
    assert embed(home, None).reused == len(kept)


def test_a_text_of_which_the_model_makes_no_number_ends_the_run_by_the_name_of_its_part(home: Home, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    store_texts(home, TEXTS)
    folder = copy_of_model(model_in(home).folder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    name = next(one for one in weights if one.endswith("word_embeddings.weight"))
    token = model_in(home).tokenizer().encode("199").ids[1]
    weights[name] = weights[name].copy()
    weights[name][token] = np.nan
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors")
    how = {"query_prompt": "", "document_prompt": "", "backend": "torch", "precision": "fp32"}
    model = same_machine(model_in(home), name=str(folder), **how)
    with pytest.raises(PipelineError, match=r"part-0000\d\d.parquet was not embedded: the model gave a vector with NaN"):
        embed(home, cluster(model=str(folder)), model)
    assert len(stored(home)) == len(set(stored(home))) < TEXTS


def test_a_worker_with_another_model_is_refused_by_name(home: Home, tmp_path: Path) -> None:
    store_texts(home, TEXTS)
    folder = copy_of_model(model_in(home).folder, tmp_path / "model")
    how = {"query_prompt": "", "document_prompt": "", "backend": "torch", "precision": "fp32"}
    model = same_machine(model_in(home), name=str(folder), **how)
    config = folder / "sentence_bert_config.json"

    def another() -> None:
        said = json.loads(config.read_text())
        config.unlink()
        config.write_text(json.dumps(said | {"max_seq_length": 64}))
        os.utime(config, (1, 1))

    as_soon_as((home.scratch / FOLDER / "part-000000.parquet").exists, another)
    with pytest.raises(PipelineError, match=f"a worker was refused: RAG_MODEL={folder} is another model there"):
        embed(home, cluster(model=str(folder)), model)
    assert stored(home) == []
