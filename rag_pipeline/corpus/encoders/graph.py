"""A model run from its exported graph, by OpenVINO, ONNX Runtime or torch alone: one batch on each core."""

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.corpus.encoders.batches import batches, cores, one_core, run_batches, tokenizer_for
from rag_pipeline.corpus.encoders.spec import ModelSpec, Vectors, usable
from rag_pipeline.corpus.encoders.torch_parts import torch_alone
from rag_pipeline.errors import PipelineError

INPUTS = ("input_ids", "attention_mask")
"""Each of shape (texts, tokens)."""
OUTPUT = "sentence_embedding"
"""The output has the shape (texts, dimensions), pooled as the model says."""
ONNX, OPENVINO, TORCH = "graph.onnx", "graph.xml", "graph.pt"

Feed = dict[str, NDArray[np.int64]]
Run = Callable[[Feed], Vectors]


class GraphEncoder:
    """Tokens by the model's own tokenizer, everything after them by the graph."""

    def __init__(self, model: ModelSpec, folder: Path, threads: int = 0) -> None:
        """`threads`: of a processor; 0 means all cores this process may use."""
        self._spec = model
        self._tokenizer = tokenizer_for(model)
        self._workers = (threads or cores()) if model.device == "cpu" else 1
        self._run = _RUNTIMES[model.backend](folder, model.device, self._workers)
        self._prepare: Callable[[], None] | None = one_core if model.backend == "torch" else None
        self._alone = self._prepare if threads == 1 else None  # the caller's thread runs all then, with torch's on all cores
        # OpenVINO's bindings set themselves up in the first call, and two first calls at once wait for each other for ever.
        first = feed([self._tokenizer.encode("one text, by one thread").ids])
        if self._prepare is None:
            self._run(first)
            return
        with ThreadPoolExecutor(1, initializer=self._prepare) as pool:
            pool.submit(self._run, first).result()

    def documents(self, texts: list[str]) -> Vectors:
        return self._encode(texts, self._spec.document_prompt)

    def queries(self, texts: list[str]) -> Vectors:
        return self._encode(texts, self._spec.query_prompt)

    def _encode(self, texts: list[str], prompt: str) -> Vectors:
        tokens = [one.ids for one in self._tokenizer.encode_batch([prompt + text for text in texts])]

        def run(places: list[int]) -> Vectors:
            return unit(self._run(feed([tokens[place] for place in places])))

        parts = batches([len(ids) for ids in tokens], self._spec.batch)
        if self._alone:
            self._alone()
        vectors = run_batches(parts, run, len(texts), self._spec.dimensions, self._workers, self._prepare)
        return usable(vectors, len(texts))


def feed(tokens: list[list[int]]) -> Feed:
    """A batch as the graph takes it: padded to its longest text, with a mask of what is no padding."""
    longest = max(len(ids) for ids in tokens)
    padded = np.zeros((len(tokens), longest), dtype=np.int64)
    mask = np.zeros_like(padded)
    for row, ids in enumerate(tokens):
        padded[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return dict(zip(INPUTS, (padded, mask), strict=True))


def unit(vectors: Vectors) -> Vectors:
    """Each row of length 1; one without direction stays as it is, and is refused as no usable vector."""
    length: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.maximum(length, 1e-12), dtype=np.float32)


def _openvino(folder: Path, _device: str, workers: int) -> Run:
    """Runs as many streams as there are cores, one core each: that fills them better than several cores on one batch."""
    import openvino

    how = {
        "INFERENCE_NUM_THREADS": workers,
        "NUM_STREAMS": workers,
        "INFERENCE_PRECISION_HINT": "f32",  # its own choice would be bfloat16 where the processor has it
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # activations stay as exact as the precision says
    }
    compiled = openvino.Core().compile_model(str(folder / OPENVINO), "CPU", how)
    mine = threading.local()  # a request serves one thread at a time

    def run(inputs: Feed) -> Vectors:
        if not hasattr(mine, "request"):
            mine.request = compiled.create_infer_request()
        found: Vectors = np.array(mine.request.infer(inputs)[0], dtype=np.float32)
        return found

    return run


def _onnx(folder: Path, device: str, _workers: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if device == "cpu" else 0  # a batch has one core, and there are `workers` of them
    options.log_severity_level = 3
    providers = ["CUDAExecutionProvider"] if device.startswith("cuda") else ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(folder / ONNX), options, providers=providers)
    if session.get_providers()[0] != providers[0]:
        raise PipelineError(f"RAG_DEVICE={device}: the installed onnxruntime has no {providers[0]}; install onnxruntime-gpu")

    def run(inputs: Feed) -> Vectors:
        found: Vectors = session.run([OUTPUT], inputs)[0]
        return found

    return run


def _torch(folder: Path, _device: str, _workers: int) -> Run:
    """Runs torch alone: importing sentence-transformers takes three times as long as importing torch.

    `torch.jit` is deprecated for `torch.export`, but loading what that wrote takes 3.3 s, all of what is to be saved.
    """
    torch = torch_alone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        graph = torch.jit.load(str(folder / TORCH), map_location="cpu")

    def run(inputs: Feed) -> Vectors:
        with torch.inference_mode():
            found: Vectors = graph(*(torch.from_numpy(inputs[name]) for name in INPUTS)).numpy()
        return found

    return run


_RUNTIMES: dict[str, Callable[[Path, str, int], Run]] = {"openvino": _openvino, "onnx": _onnx, "torch": _torch}
