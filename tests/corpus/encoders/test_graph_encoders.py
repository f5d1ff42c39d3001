"""Real exports of the default model: they give its vectors, each text's for itself, and are made once and kept whole."""

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag_pipeline.corpus.control import Control, trusted
from rag_pipeline.corpus.encoders import KINDS, Kind, encoder_of, export, kind_of
from rag_pipeline.corpus.encoders.calibration import calibration_texts
from rag_pipeline.corpus.encoders.export import exported
from rag_pipeline.corpus.model import Encoder, Model
from rag_pipeline.errors import PipelineError
from rag_pipeline.ours import EXPORT_FILE
from tests.support.small_releases import real_encoder, real_model

GRAPHS = [kind for kind in KINDS if kind.backend != "torch"]
TEXTS = ["word " * length for length in (1, 300, 2, 40, 3, 150, 5, 90)] + [f"What is question {n} about?" for n in range(20)]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


def model_for(kind: Kind, exports: Path) -> Model:
    return replace(real_model(), backend=kind.backend, precision=kind.precision, exports=exports)


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, id=kind.name, marks=[pytest.mark.slow] * (kind.name != "onnx fp32")) for kind in GRAPHS],
)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(scope="module")
def encoder(kind: Kind, exports: Path) -> Encoder:
    return encoder_of(model_for(kind, exports))


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sum(one * other, axis=1)


def test_an_export_gives_the_vectors_of_the_model(kind: Kind, encoder: Encoder) -> None:
    near = cosine(encoder.documents(TEXTS), real_encoder().documents(TEXTS))
    assert near.min() > {"fp32": 0.99999, "int8-weights": 0.99, "int8": 0.9}[kind.precision]


def test_a_text_has_the_same_vector_alone_and_among_texts_of_every_length(kind: Kind, encoder: Encoder) -> None:
    """The very reason why ONNX Runtime's dynamic int8 may not be used: cosine down to .976 beside other batch mates.

    With fixed scales in 8 bits, what float32 rounds differently in a wider batch (1e-7) may tip a number to its next step.
    """
    together, alone = encoder.documents(TEXTS), np.stack([encoder.documents([text])[0] for text in TEXTS])
    near = cosine(together, alone)
    assert near.min() > (0.999 if kind.precision == "int8" else 0.99999)
    assert np.median(near) > 0.99999


def test_an_encoder_passes_the_control_texts_of_its_own_kind_embedded_among_other_texts(
    kind: Kind, encoder: Encoder, exports: Path
) -> None:
    """As a release keeps it: made in the batches of a first build, shown in a batch of its own."""
    made, chosen = encoder.documents([*TEXTS, *calibration_texts()[::5]]), [0, 1, 3, 7, 12, 20]
    control = Control("a release", [TEXTS[place] for place in chosen], made[chosen])
    model = model_for(kind, exports)
    assert trusted(model, lambda: encoder, control) is encoder
    turned = Control("a release", control.texts, np.roll(control.vectors, 1, axis=0))
    with pytest.raises(PipelineError, match="does not give the vectors of a release any more") as refused:
        trusted(model, lambda: encoder, turned)
    assert f"remove {exports / model.fingerprint}, from which it is run" in str(refused.value)


def test_vectors_are_unit_and_of_the_models_length(encoder: Encoder) -> None:
    vectors = encoder.queries(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_prompts_stand_before_the_texts(exports: Path) -> None:
    plain = model_for(kind_of("onnx", "fp32", "cpu"), exports)
    prompted = encoder_of(replace(plain, document_prompt="passage: ", query_prompt="query: "))
    torch = replace(real_model(), document_prompt="passage: ", query_prompt="query: ").load()
    assert cosine(prompted.documents(TEXTS), torch.documents(TEXTS)).min() > 0.99999
    assert cosine(prompted.queries(TEXTS), torch.queries(TEXTS)).min() > 0.99999
    assert cosine(prompted.queries(TEXTS), prompted.documents(TEXTS)).min() < 0.999


def test_an_export_is_made_once_and_says_how_near_it_is(kind: Kind, encoder: Encoder, exports: Path) -> None:
    folder = exported(model_for(kind, exports), kind)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert exported(model_for(kind, exports), kind) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    said = json.loads((folder / EXPORT_FILE).read_text(encoding="utf-8"))
    assert (said["way"], said["model"]) == (kind.name, folder.name)
    assert kind.least_cosine <= said["cosine_least"] <= said["cosine_mean"] <= 1.000001


@pytest.mark.slow
def test_a_damaged_export_is_made_again_and_a_leftover_removed(exports: Path) -> None:
    kind = kind_of("onnx", "fp32", "cpu")
    folder = exported(model_for(kind, exports), kind)
    graph = folder / "graph.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    (exports / f".staging-{'0' * 32}").mkdir()
    near = cosine(encoder_of(model_for(kind, exports)).documents(TEXTS), real_encoder().documents(TEXTS))
    assert near.min() > 0.99999
    assert not list(exports.glob(".staging-*"))


@pytest.mark.slow
def test_two_that_need_an_export_at_once_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, made = kind_of("onnx", "fp32", "cpu"), []
    real = export._export

    def counted(model: Model, of: Kind, folder: Path, whole: object) -> None:
        made.append(folder)
        real(model, of, folder, whole)

    monkeypatch.setattr(export, "_export", counted)
    threads = [threading.Thread(target=exported, args=(model_for(kind, tmp_path), kind)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_an_export_that_gives_other_vectors_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is made from texts of another tokenizer than the model's: it must never be used."""
    kind = kind_of("onnx", "fp32", "cpu")
    wrong = real_model().tokenizer()
    wrong.enable_truncation(4)
    monkeypatch.setattr("rag_pipeline.corpus.encoders.graph.tokenizer_for", lambda model: wrong)
    with pytest.raises(
        PipelineError, match=r"gives other vectors than the model itself \(cosine .* RAG_EMBED_BACKEND=torch"
    ):
        encoder_of(model_for(kind, tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".onnx", ".json")]


@pytest.mark.slow
def test_a_model_that_leaves_its_prompt_out_of_what_it_pools_is_refused(tmp_path: Path) -> None:
    """A graph pools all it is given; with the prompt before the text it would give other vectors than the model."""
    plain = real_model()
    folder = tmp_path / "model"
    shutil.copytree(plain.folder, folder, copy_function=os.symlink)
    pooling = folder / "1_Pooling" / "config.json"
    said = json.loads(pooling.read_text(encoding="utf-8"))
    pooling.unlink()
    pooling.write_text(json.dumps({**said, "include_prompt": False}), encoding="utf-8")
    kind = kind_of("onnx", "fp32", "cpu")
    model = replace(model_for(kind, tmp_path / "models"), folder=folder, query_prompt="Represent this question: ")
    with pytest.raises(PipelineError, match="gives other vectors than the model itself"):
        encoder_of(model)


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "missing_packages", lambda kind, export: ["nncf"] if export else [])
    with pytest.raises(PipelineError, match=r"needs nncf: pip install -c constraints.txt -e '\.\[openvino\]'"):
        exported(model_for(kind_of("openvino", "int8", "cpu"), tmp_path), kind_of("openvino", "int8", "cpu"))


EXPORT_OFFLINE = """
import socket, sys
def refused(*_, **__):
    sys.stderr.write("the network was asked\\n")
    raise SystemExit(3)
socket.socket.connect = refused
socket.getaddrinfo = refused
from dataclasses import replace
from pathlib import Path
from rag_pipeline.process import prepare
prepare()
from rag_pipeline.corpus.model import model_of
from rag_pipeline.settings import load_settings
model = replace(model_of(load_settings()), backend="openvino", precision="int8-weights", exports=Path(sys.argv[1]))
print(model.load().documents(["a text"]).shape)
"""


@pytest.mark.slow
def test_exporting_sends_nothing_home_and_prints_nothing(tmp_path: Path) -> None:
    """In a process of its own: under pytest nncf switches its telemetry off by itself. Seen: `import openvino` asked."""
    environment = {**os.environ, "RAG_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    for name in ("CI", "NNCF_CI"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", EXPORT_OFFLINE, str(tmp_path / "models")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and "the network was asked" not in done.stderr, done.stderr[-2_000:]
    assert (done.stdout, done.stderr) == ("(1, 384)\n", "")
    assert not (tmp_path / "intel").exists()  # where it would note down an id of this machine


def test_calibration_texts_are_of_many_kinds_and_none_twice() -> None:
    texts = calibration_texts()
    assert len(texts) == len(set(texts)) >= 100
    tokenizer = real_model().tokenizer()
    lengths = sorted(len(tokenizer.encode(text).ids) for text in texts)
    assert lengths[0] < 8 and lengths[-1] > 256
