"""Exporting a model's graph from its own weights, once, below RAG_HOME/models/<model fingerprint>.

The graph holds everything between tokens and vector, pooling included. It is kept only after it gave the vectors the model
itself gives, on the calibration texts, and it is used only while its bytes are the ones that were kept.
"""

import io
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from rag_pipeline.corpus.encoders.batches import tokenizer_for
from rag_pipeline.corpus.encoders.calibration import calibration_texts
from rag_pipeline.corpus.encoders.graph import (
    INPUTS,
    ONNX,
    OPENVINO,
    OUTPUT,
    GraphEncoder,
    feed,
    quiet_openvino,
    unit,
)
from rag_pipeline.corpus.encoders.kinds import Kind, missing_packages
from rag_pipeline.corpus.encoders.torch_encoder import sentence_transformer
from rag_pipeline.corpus.model import Model, Vectors
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import exclusive, file_sha256, sync, write_json

log = logging.getLogger("rag_pipeline")

FILE = "export.json"
_STAGING = ".staging-"
_OPSET = 17


class Export(BaseModel):
    """What was exported, how near it came to the model, and the checksums of its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Fingerprint; it names backend and precision too."""
    way: str
    cosine_mean: float
    cosine_least: float
    """Between its vectors and the model's own, over the calibration texts."""
    files: dict[str, str]


def exported(model: Model, kind: Kind) -> Path:
    """The folder of a model's graph, made if it is not there or not what it was.

    Raises `PipelineError` when a package is missing, or the graph does not give the model's vectors.
    """
    folder = model.exports / model.fingerprint
    if not _intact(folder):
        _need(kind, export=True)
        with exclusive(model.exports, "export", wait_s=3600):
            if not _intact(folder):
                _export(model, kind, folder)
    _need(kind, export=False)
    return folder


def _need(kind: Kind, *, export: bool) -> None:
    if missing := missing_packages(kind, export=export):
        raise PipelineError(
            f"RAG_EMBED_BACKEND={kind.backend} with RAG_EMBED_PRECISION={kind.precision} needs {', '.join(missing)}: "
            f"pip install -c constraints.txt -e '.[{kind.extra}]'"
        )


def _intact(folder: Path) -> bool:
    try:
        kept = Export.model_validate_json((folder / FILE).read_bytes())
        return all(file_sha256(folder / name) == checksum for name, checksum in kept.files.items())
    except (OSError, ValidationError):
        return False


def _export(model: Model, kind: Kind, folder: Path) -> None:
    for leftover in model.exports.glob(f"{_STAGING}*"):
        shutil.rmtree(leftover)
    staging = model.exports / f"{_STAGING}{model.fingerprint}"
    staging.mkdir(parents=True)
    log.info("exporting %s for %s, once", model.folder.name, kind.name)
    try:
        with _quiet():
            whole = sentence_transformer(model, "cpu").eval()
            (_write_openvino if kind.backend == "openvino" else _write_onnx)(model, kind, whole, staging)
            own, exports = _own_vectors(model, whole), GraphEncoder(model, staging).documents(_tried())
        cosine = np.sum(own * exports, axis=1)
        if not float(cosine.min()) >= kind.least_cosine:  # NaN too
            raise PipelineError(
                f"{model.folder}: exported for {kind.name}, it gives other vectors than the model itself (cosine "
                f"{cosine.min():.4f} at the worst of {len(cosine)} texts, {kind.least_cosine} is wanted); use another "
                "RAG_EMBED_PRECISION, or RAG_EMBED_BACKEND=torch"
            )
        files = {path.name: file_sha256(path) for path in sorted(staging.iterdir())}
        said = Export(
            model=model.fingerprint,
            way=kind.name,
            cosine_mean=round(float(cosine.mean()), 6),
            cosine_least=round(float(cosine.min()), 6),
            files=files,
        )
        for name in files:
            sync(staging / name)
        write_json(staging / FILE, said.model_dump(mode="json"))
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _traced(whole: Any) -> Any:
    """The whole model as one torch module: tokens in, pooled vector out."""
    import torch

    class Sentence(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            vector: torch.Tensor = self.whole({"input_ids": input_ids, "attention_mask": attention_mask})[OUTPUT]
            return vector

    return Sentence()


def _example(model: Model) -> dict[str, Any]:
    """Texts of several lengths to trace with, so that padding and its mask are part of the graph."""
    import torch

    tokens = [one.ids for one in tokenizer_for(model).encode_batch(calibration_texts()[:3])]
    return {name: torch.from_numpy(values) for name, values in feed(tokens).items()}


def _write_onnx(model: Model, _kind: Kind, whole: Any, folder: Path) -> None:
    import torch

    example, axes = _example(model), {0: "texts", 1: "tokens"}
    with torch.no_grad():
        torch.onnx.export(
            _traced(whole),
            tuple(example[name] for name in INPUTS),
            str(folder / ONNX),
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={INPUTS[0]: axes, INPUTS[1]: axes, OUTPUT: {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _write_openvino(model: Model, kind: Kind, whole: Any, folder: Path) -> None:
    """The graph as OpenVINO keeps it, in the precision wanted.

    Read from torch, not by way of ONNX: there attention is one operation, which OpenVINO runs a fifth faster than its parts.
    """
    import torch

    openvino = quiet_openvino()
    with torch.no_grad():
        graph = openvino.convert_model(_traced(whole), example_input=_example(model))
    if kind.precision != "fp32":
        import nncf

        if kind.precision == "int8-weights":
            graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
        else:
            tokens = [one.ids for one in tokenizer_for(model).encode_batch(calibration_texts())]
            data = nncf.Dataset([feed([ids]) for ids in tokens])
            graph = nncf.quantize(graph, data, subset_size=len(tokens), model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(graph, str(folder / OPENVINO), compress_to_fp16=False)


def _tried() -> list[str]:
    """Of each kind some: enough to tell a graph that is another model, in seconds."""
    return calibration_texts()[::3]


def _own_vectors(model: Model, whole: Any) -> Vectors:
    texts = [model.document_prompt + text for text in _tried()]
    return unit(np.asarray(whole.encode(texts, batch_size=8, show_progress_bar=False), dtype=np.float32))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters print: stdout belongs to the command's answer."""
    from transformers.utils import logging as transformers_logging  # sets its logger's level when it is imported

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    levels = {name: logging.getLogger(name).level for name in ("nncf", "torch.onnx", "transformers")}
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
