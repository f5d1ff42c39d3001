"""Does this encoder give the vectors it gave before? A few texts with their vectors answer that, before anything trusts it.

A fingerprint covers the model's files. It does not cover the graph kept of it, the libraries, or the processor.
"""

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rag_pipeline.corpus.model import Encoder, Model, Vectors
from rag_pipeline.errors import PipelineError

log = logging.getLogger("rag_pipeline")

LEAST_COSINE = 0.999
"""The least cosine of a vector made before and now: back ends and processors differ by 1e-5, another model by far more."""

TEXTS = 5
"""How many control texts there are: embedding them takes a tenth of a second on two cores."""


@dataclass(frozen=True, slots=True)
class Control:
    """Texts as they were embedded once, and the vectors that were stored. `whose`: what they belong to, in words."""

    whose: str
    texts: list[str]
    vectors: Vectors


def trusted(model: Model, load: Callable[[], Encoder], control: Control) -> Encoder:
    """The encoder, after it gave the vectors of control texts again. Raises `PipelineError` when it gives others.

    torch has a second chance: a graph that was kept of the model is dropped, and the model runs by sentence-transformers.
    """
    encoder = load()
    if not control.texts or not (worst := _least_cosine(encoder, control)) < LEAST_COSINE:
        return encoder
    kept = model.exports / model.fingerprint if isinstance(model, Model) and model.exports != Path() else None
    if kept and model.backend == "torch" and kept.is_dir():
        log.error("the graph kept in %s gives other vectors than it gave (cosine %.4f); it is dropped", kept, worst)
        with suppress(OSError):  # on storage that cannot be written it is only passed over
            shutil.rmtree(kept)
        encoder = replace(model, exports=Path()).load()
        if not (worst := _least_cosine(encoder, control)) < LEAST_COSINE:
            return encoder
    raise PipelineError(_says(model, control, worst, kept))


def nearness(one: Vectors, other: Vectors) -> Vectors:
    """Cosine of each pair of rows; -1 where it is not a number, or they are of different lengths."""
    if one.shape != other.shape:
        return np.full(len(one), -1.0, dtype=np.float32)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine: Vectors = np.nan_to_num(np.sum(one * other, axis=1) / lengths, nan=-1.0).astype(np.float32)
    return cosine


def spread(count: int, size: int = TEXTS) -> list[int]:
    """Places of `size` of `count` things, first and last among them."""
    return sorted({round(place * (count - 1) / max(size - 1, 1)) for place in range(size)}) if count else []


def _least_cosine(encoder: Encoder, control: Control) -> float:
    return float(nearness(encoder.documents(control.texts), control.vectors).min())


def _says(model: Model, control: Control, worst: float, kept: Path | None) -> str:
    graph = f"remove {kept}, from which it is run, so that it is exported again; or " if kept and kept.is_dir() else ""
    return (
        f"the embedding model ({model.fingerprint[:12]}) does not give the vectors of {control.whose} any more: cosine "
        f"{worst:.4f} at the worst of {len(control.texts)} texts, {LEAST_COSINE} is wanted. Its files are the same, so the "
        f"graph kept of it, a library or the processor is another: {graph}go back to the library versions that made them "
        "(constraints.txt); nothing can be compared or answered with it until then"
    )
