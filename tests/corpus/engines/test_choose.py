"""Which engine embeds, and what is said where it cannot."""

import importlib.util
import subprocess
import sys

import pytest

from rag_pipeline.corpus.engines import Cluster, cluster_of, engine_for
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.settings import Settings, settings_of
from tests.support.ray_cluster import cluster, embed, store_texts, stored
from tests.support.small_releases import CountingEncoder


def settings(**changes: object) -> Settings:
    return settings_of(changes, lambda name: f"RAG_{name.upper()}")


def test_by_default_this_process_embeds() -> None:
    assert cluster_of(settings()) is None


def test_settings_become_a_cluster() -> None:
    assert cluster_of(settings(embed_engine="ray")) == Cluster(model=Settings().model)
    said = settings(embed_engine="ray", ray_address="ray-head:6379", embed_workers="1:8", device="cuda", embed_part=100)
    found = cluster_of(said)
    assert found
    assert (found.address, found.workers, found.worker_gpus, found.part) == ("ray-head:6379", (1, 8), 1.0, 100)
    assert cluster_of(settings(embed_engine="ray", embed_workers="3", embed_worker_gpus=0.5)).workers == (3, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("embed_workers", "many", "RAG_EMBED_WORKERS='many': say how many workers"),
        ("embed_workers", "8:1", "at least and at most"),
        ("embed_workers", "0:4", "at least and at most"),
        ("ray_address", "ray://head:10001", r"Ray Client \(ray://\) is not made for Ray Data"),
        ("ray_address", "somewhere", "say local, auto, or host:port"),
        ("embed_engine", "spark", "RAG_EMBED_ENGINE='spark'"),
        ("embed_part", 0, "RAG_EMBED_PART=0"),
    ],
)
def test_a_setting_that_cannot_be_is_told_with_the_fix(name: str, value: object, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        settings(**{name: value})


def test_few_texts_never_start_a_cluster(home: Home) -> None:
    hashes = store_texts(home, 6)
    few = cluster(minimum=7, address="nobody.invalid:1")
    assert embed(home, few).embedded == 6
    assert stored(home) == sorted(hashes)
    assert engine_for(6, CountingEncoder, few).name == "local"
    assert engine_for(7, CountingEncoder, few).name == "ray"


def test_without_the_package_the_extra_is_named_and_nothing_is_left(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    store_texts(home, 3)
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "ray" else real(name, *more))
    with pytest.raises(PipelineError, match=r"RAG_EMBED_ENGINE=ray: the package ray is not installed .*rag-pipeline\[ray\]"):
        embed(home, cluster())
    assert not home.vectors.exists()
    assert not home.scratch.exists()


def test_loading_the_definitions_imports_neither_ray_nor_what_runs_it() -> None:
    loads = (
        "import sys, rag_pipeline.defs.graph, rag_pipeline.corpus.embeddings; "
        "print([name for name in sys.modules if name.split('.')[0] == 'ray' or name.endswith(('on_ray', 'ray_data'))])"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
