"""torch, by sentence-transformers and by the graph a run keeps for the next ones: the same vectors."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rag_pipeline.corpus.encoders import encoder_of, torch_encoder
from rag_pipeline.corpus.encoders.export import kept_graph
from rag_pipeline.corpus.encoders.graph import GraphEncoder
from rag_pipeline.corpus.encoders.torch_encoder import TorchEncoder
from rag_pipeline.corpus.model import Model
from rag_pipeline.ours import EXPORT_FILE
from tests.support.small_releases import real_encoder, real_model

TEXTS = [("word " * length).strip() for length in (1, 300, 2, 40, 3, 150, 5, 90)] * 2 + [f"question {n}?" for n in range(24)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The default model, after a run that embedded much."""
    model = replace(real_model(), exports=tmp_path_factory.mktemp("exports"))
    embed_much(model)
    return model


def embed_much(model: Model) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_encoder, "MUCH", len(TEXTS))
        encoder = encoder_of(model)
        assert isinstance(encoder, TorchEncoder)
        encoder.documents(TEXTS[:-1])
        assert kept_graph(model) is None
        encoder.documents(TEXTS[-1:])


def test_vectors_are_those_of_a_plain_encode_call() -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(real_model().folder), device="cpu", local_files_only=True).encode(TEXTS)
    plain = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    assert np.sum(real_encoder().documents(TEXTS) * plain, axis=1).min() > 0.99999


def test_batches_beside_each_other_leave_the_callers_threads_alone() -> None:
    before = torch.get_num_threads()
    real_encoder().documents(TEXTS)
    assert torch.get_num_threads() == before


def test_many_calls_at_once_give_what_one_gives() -> None:
    """A tokenizer that is set up while another thread uses it raises `Already borrowed`."""
    from concurrent.futures import ThreadPoolExecutor

    texts = TEXTS[-8:]
    wanted = real_encoder().queries(texts)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: real_encoder().queries(texts), range(8)):
            assert np.sum(found * wanted, axis=1).min() > 0.99999


def test_a_run_that_embeds_much_keeps_a_graph_that_gives_the_same_vectors(kept: Model) -> None:
    graph = encoder_of(kept)
    assert isinstance(graph, GraphEncoder)
    together, alone = graph.documents(TEXTS), np.stack([graph.documents([text])[0] for text in TEXTS[::4]])
    assert np.sum(together * real_encoder().documents(TEXTS), axis=1).min() > 0.99999
    assert np.sum(together[::4] * alone, axis=1).min() > 0.99999


def test_batches_of_the_graph_leave_the_callers_threads_alone(kept: Model) -> None:
    before = torch.get_num_threads()
    encoder_of(kept).documents(TEXTS)
    assert torch.get_num_threads() == before


def test_with_one_thread_torch_takes_no_other_core_and_gives_the_same_vectors(kept: Model) -> None:
    """As a worker of a cluster runs it, which has one of 64 cores."""
    for model in (kept, replace(kept, exports=Path())):
        with ThreadPoolExecutor(1) as caller:
            vectors = caller.submit(encoder_of(model, threads=1).documents, TEXTS).result()
            assert caller.submit(torch.get_num_threads).result() == 1
        assert float(np.sum(vectors * real_encoder().documents(TEXTS), axis=1).min()) > 0.999999


def test_the_next_run_imports_no_sentence_transformers_and_prints_nothing(kept: Model) -> None:
    code = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.support.small_releases import real_model
vectors = replace(real_model(), exports=Path(sys.argv[1])).load().queries(["a question", "another one"])
print(vectors.shape, "torch" in sys.modules, "transformers" in sys.modules, "sentence_transformers" in sys.modules)
"""
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", code, str(kept.exports)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "(2, 384) True False False\n", ran.stderr
    assert "deprecated" not in ran.stderr


@pytest.mark.slow
def test_a_graph_that_is_damaged_or_of_another_torch_is_not_used_and_made_anew(kept: Model) -> None:
    folder = kept.exports / kept.fingerprint
    said, graph = json.loads((folder / EXPORT_FILE).read_text(encoding="utf-8")), (folder / "graph.pt").read_bytes()
    assert said["torch"] == torch.__version__
    (folder / "graph.pt").write_bytes(graph[:-1])
    assert isinstance(encoder_of(kept), TorchEncoder)
    (folder / "graph.pt").write_bytes(graph)
    assert isinstance(encoder_of(kept), GraphEncoder)
    (folder / EXPORT_FILE).write_text(json.dumps({**said, "torch": "2.0.0"}), encoding="utf-8")
    embed_much(kept)
    assert isinstance(encoder_of(kept), GraphEncoder)


@pytest.mark.slow
def test_killed_while_it_keeps_a_graph_it_leaves_none_and_the_next_run_keeps_one(tmp_path: Path) -> None:
    code = """
import sys
from dataclasses import replace
from pathlib import Path
from rag_pipeline.corpus.encoders import torch_encoder
from tests.support.small_releases import real_model
torch_encoder.MUCH = 1
replace(real_model(), exports=Path(sys.argv[1])).load().documents(["a text"])
"""
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=os.environ, stderr=subprocess.DEVNULL)
    while run.poll() is None and not list(tmp_path.glob(".staging-*")):
        time.sleep(0.02)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    model = replace(real_model(), exports=tmp_path)
    assert list(tmp_path.glob(".staging-*")) and kept_graph(model) is None
    embed_much(model)
    assert isinstance(encoder_of(model), GraphEncoder) and not list(tmp_path.glob(".staging-*"))


@pytest.mark.slow
def test_a_graph_that_gives_other_vectors_is_not_kept_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = real_model().tokenizer()
    wrong.enable_truncation(4)
    monkeypatch.setattr("rag_pipeline.corpus.encoders.graph.tokenizer_for", lambda model: wrong)
    caplog.set_level("INFO", "rag_pipeline")
    embed_much(replace(real_model(), exports=tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.name in (EXPORT_FILE, "graph.pt")]
    assert "is still run by sentence-transformers" in caplog.text and "cosine" in caplog.text


def test_where_no_graph_can_be_written_the_run_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "models").write_text("a file where the folder should be", encoding="utf-8")
    caplog.set_level("INFO", "rag_pipeline")
    embed_much(replace(real_model(), exports=tmp_path / "models"))
    assert "is still run by sentence-transformers" in caplog.text


def test_without_a_folder_for_graphs_none_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    embed_much(replace(real_model(), exports=Path()))
    assert not list(tmp_path.iterdir())
