"""Exporting a model's graph from its own weights, once, below RAG_HOME/models/<model fingerprint>.

The graph holds everything between tokens and vector, pooling included. It is kept only after it gave the same vectors as the
model itself on the calibration texts, and it is used only while its bytes are the ones that were kept.
"""

import io
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from rag_pipeline.corpus.encoders.batches import tokenizer_for
from rag_pipeline.corpus.encoders.calibration import calibration_texts
from rag_pipeline.corpus.encoders.graph import (
    INPUTS,
    ONNX,
    OPENVINO,
    OUTPUT,
    TORCH,
    GraphEncoder,
    feed,
    unit,
)
from rag_pipeline.corpus.encoders.kinds import Kind, missing_packages
from rag_pipeline.corpus.encoders.spec import ModelSpec, Vectors
from rag_pipeline.corpus.encoders.torch_encoder import sentence_transformer
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import file_sha256, sync, write_json
from rag_pipeline.home import exporting
from rag_pipeline.ours import EXPORT, EXPORT_FILE, HALF_EXPORT, STAGING, found, remove

log = logging.getLogger("rag_pipeline")

_OPSET = 17


class Export(BaseModel):
    """What was exported, how near it came to the model, and the checksums of its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """Fingerprint; it names backend and precision too."""
    way: str
    cosine_mean: float
    cosine_least: float
    """The least cosine between its vectors and the model's own, over the calibration texts."""
    torch: str = ""
    """Version of torch that wrote and may read it; empty for graphs another runtime reads."""
    files: dict[str, str]


def exported(model: ModelSpec, kind: Kind) -> Path:
    """The folder of a model's graph, made if it is not there or not what it was.

    Raises `PipelineError` when a package is missing, or the graph does not give the model's vectors.
    """
    folder = model.exports / model.fingerprint
    if not _intact(folder):
        _need(kind, export=True)
        with exporting(model.exports, wait_s=3600):
            if not _intact(folder):
                log.info("exporting %s for %s, once", model.folder.name, kind.name)
                _export(model, kind, folder, sentence_transformer(model, "cpu"))
    _need(kind, export=False)
    return folder


def kept_graph(model: ModelSpec) -> Path | None:
    """The folder of a graph of torch's own that an earlier run kept, if it is what it was and this torch wrote it."""
    folder = model.exports / model.fingerprint
    return folder if _intact(folder) else None


def keep_graph(model: ModelSpec, kind: Kind, whole: Any) -> None:
    """Keep the graph of a model that torch has loaded, for later processes.

    It only saves them time: where it cannot be made or kept, this says why and leaves things as they are.
    """
    folder = model.exports / model.fingerprint
    try:
        with exporting(model.exports, wait_s=0):
            if not _intact(folder):  # one that another run kept meanwhile may be in use
                _export(model, kind, folder, whole)
    except Exception as error:  # whatever a tracer meets in a model it does not know
        why = (str(error) or type(error).__name__).splitlines()[0]
        log.info("%s is still run by sentence-transformers: %s", model.folder.name, why)
    else:
        log.info("kept the graph of %s: the next run needs no sentence-transformers", model.folder.name)


def _need(kind: Kind, *, export: bool) -> None:
    if missing := missing_packages(kind, export=export):
        raise PipelineError(
            f"RAG_EMBED_BACKEND={kind.backend} with RAG_EMBED_PRECISION={kind.precision} needs {', '.join(missing)}: "
            f"pip install -c constraints.txt -e '.[{kind.extra}]'"
        )


def _intact(folder: Path) -> bool:
    try:
        kept = Export.model_validate_json((folder / EXPORT_FILE).read_bytes())
        same = kept.torch in ("", version("torch"))
        return same and all(file_sha256(folder / name) == checksum for name, checksum in kept.files.items())
    except (OSError, ValidationError):
        return False


def _export(model: ModelSpec, kind: Kind, folder: Path, whole: Any) -> None:
    """`whole`: the model as sentence-transformers loaded it on the processor."""
    for leftover in found(model.exports, HALF_EXPORT):
        remove(leftover, HALF_EXPORT)
    staging = model.exports / f"{STAGING}{model.fingerprint}"
    staging.mkdir(parents=True)
    try:
        with _quiet():
            _WRITERS[kind.backend](model, kind, whole.eval(), staging)
            cosine = _nearness(model, whole, GraphEncoder(model, staging))
        if not float(cosine.min()) >= kind.least_cosine:  # NaN too
            raise PipelineError(
                f"{model.folder}: exported for {kind.name}, it gives other vectors than the model itself (cosine "
                f"{cosine.min():.6f} at the worst of {len(cosine)} texts, {kind.least_cosine} is wanted)"
                + ("" if kind.backend == "torch" else "; use another RAG_EMBED_PRECISION, or RAG_EMBED_BACKEND=torch")
            )
        files = {path.name: file_sha256(path) for path in sorted(staging.iterdir())}
        said = Export(
            model=model.fingerprint,
            way=kind.name,
            cosine_mean=round(float(cosine.mean()), 6),
            cosine_least=round(float(cosine.min()), 6),
            torch=version("torch") if kind.backend == "torch" else "",
            files=files,
        )
        for name in files:
            sync(staging / name)
        write_json(staging / EXPORT_FILE, said.model_dump(mode="json"))
        if folder.exists() or folder.is_symlink():  # one that is damaged, or that another torch wrote
            remove(folder, EXPORT)
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


def _example(model: ModelSpec) -> dict[str, Any]:
    """Texts of several lengths to trace with, so that padding and its mask are part of the graph."""
    import torch

    tokens = [one.ids for one in tokenizer_for(model).encode_batch(calibration_texts()[:3])]
    return {name: torch.from_numpy(values) for name, values in feed(tokens).items()}


def _write_onnx(model: ModelSpec, _kind: Kind, whole: Any, folder: Path) -> None:
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


def _write_openvino(model: ModelSpec, kind: Kind, whole: Any, folder: Path) -> None:
    """The graph as OpenVINO keeps it, in the precision wanted.

    Read from torch, not by way of ONNX: there attention is one operation, which OpenVINO runs a fifth faster than its parts.
    """
    import openvino
    import torch

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


def _write_torch(model: ModelSpec, _kind: Kind, whole: Any, folder: Path) -> None:
    import torch

    example = _example(model)
    with torch.no_grad():
        graph = torch.jit.trace(  # type: ignore[no-untyped-call]
            _traced(whole),
            tuple(example[name] for name in INPUTS),
            check_trace=False,  # held against the model itself, on texts of other lengths
        )
    torch.jit.save(torch.jit.freeze(graph.eval()), str(folder / TORCH))


_WRITERS = {"openvino": _write_openvino, "onnx": _write_onnx, "torch": _write_torch}


def _nearness(model: ModelSpec, whole: Any, graph: GraphEncoder) -> NDArray[np.float32]:
    """Cosine of the graph's vectors to the model's own: some texts of each kind, as documents and as queries.

    The prompt is given to the model apart: some leave it out of what they pool, which a graph would not.
    """
    texts = calibration_texts()[::3]

    def own(prompt: str) -> Vectors:
        vectors = whole.encode(texts, prompt=prompt or None, batch_size=8, show_progress_bar=False)
        return unit(np.asarray(vectors, dtype=np.float32))

    cosine: NDArray[np.float32] = np.sum(own(model.document_prompt) * graph.documents(texts), axis=1)
    if model.query_prompt != model.document_prompt:
        queries = np.sum(own(model.query_prompt) * graph.queries(texts), axis=1)
        cosine = np.concatenate([cosine, queries])
    return cosine


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences what exporters print: stdout belongs to the command's answer."""
    from transformers.utils import logging as transformers_logging  # sets its logger's level when it is imported

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    levels = {
        name: logging.getLogger(name).level for name in ("nncf", "torch.onnx", "transformers", "sentence_transformers")
    }
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
