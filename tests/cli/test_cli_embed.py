"""`rag embed bench` on a corpus that is cut, with the real model."""

import pytest

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.encoders import encoder_of
from rag_pipeline.corpus.model import Encoder, Model
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from tests.conftest import Workspace, files_contract
from tests.support.command_line import as_json, rag
from tests.support.small_releases import chunker, real_encoder, store_documents

TOPICS = ["vacation", "laptops", "travel", "expenses", "hiring", "security", "parking", "lunch", "training", "visitors"]
PAGES = {
    f"{topic}{site}.md": f"# {topic} {site}\n\nHow {topic} works at site {site}." for topic in TOPICS for site in range(7)
}


@pytest.fixture
def home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Seventy pages, cut but not embedded, and a question about ten of them. OpenVINO's packages are missing."""
    workspace.contract("handbook", files_contract(workspace.pages({"one.md": "# One\n\nA page."})))
    workspace.golden("questions", {f"how does {topic} work at site 3": [f"handbook/{topic}3.md"] for topic in TOPICS})
    store_documents(workspace.home, "handbook", PAGES)
    update_chunks(workspace.home, ["handbook"], chunker())
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))

    torch = real_encoder()  # loaded before loading is replaced

    def encoder(model: Model) -> Encoder:
        if model.backend == "openvino":
            raise PipelineError("RAG_EMBED_BACKEND=openvino needs nncf: pip install …")
        return torch if model.backend == "torch" else encoder_of(model)

    monkeypatch.setattr("rag_pipeline.corpus.encoders.encoder_of", encoder)
    return workspace.home


def test_what_was_measured_is_told_and_which_to_set(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = rag(monkeypatch, capsys, "embed", "bench", "--texts", "64", "--way", "openvino/int8", "--json")
    assert code == 0, err
    told = as_json(out)
    assert told["chunks"] >= 64 and told["queries"] == 10
    first, missing = told["results"]
    assert (first["backend"], first["precision"], first["speed"], first["change"]["mean"]) == ("torch", "fp32", 1.0, 0.0)
    assert first["ndcg"] > 0.5 and first["texts_per_second"] > 0
    assert "needs nncf" in missing["problem"]
    assert told["set"] == {"RAG_EMBED_BACKEND": "torch", "RAG_EMBED_PRECISION": "fp32"}


def test_a_person_reads_one_line_a_way_and_what_to_export(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = rag(monkeypatch, capsys, "embed", "bench", "--texts", "64", "--way", "openvino/fp32")
    assert code == 0, err
    [row] = [line for line in out.splitlines() if line.startswith("torch fp32")]
    assert row.split()[3:6] == ["1.00", "1.00000", "1.0000"] and row.split()[-3] == "+0.0000"
    assert "openvino fp32 was not measured: RAG_EMBED_BACKEND=openvino needs nncf" in out
    assert "export RAG_EMBED_BACKEND=torch RAG_EMBED_PRECISION=fp32" in out


def test_a_way_there_is_not_is_told_with_those_there_are(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = rag(monkeypatch, capsys, "embed", "bench", "--way", "torch/int8")
    assert code == 1
    assert "--way torch/int8: RAG_DEVICE=cpu runs torch/fp32, onnx/fp32, openvino/fp32" in err
