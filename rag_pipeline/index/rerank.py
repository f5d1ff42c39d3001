"""A cross-encoder reads question and text together and orders the first hits again; slower, and often better."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from rag_pipeline.corpus.encoders.torch_parts import sentence_transformers
from rag_pipeline.corpus.model_folder import fingerprint_folder
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.files import fingerprint
from rag_pipeline.index.manifest import Manifest

_BATCH = 16
_DIGITS = 6

_RUN_BY = {"backend": "torch", "precision": "float32"}
"""A part of the fingerprint by which releases name a re-ranker. Two empty prompts stand beside it."""


@dataclass(frozen=True)
class Reranker:
    """A cross-encoder on disk, not loaded yet."""

    folder: Path
    device: str = "cpu"

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of all its files: other weights are another re-ranker."""
        return fingerprint(fingerprint_folder(self.folder), "", "", _RUN_BY)

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question; the larger the better, comparable within one question only.

        Raises `PipelineError` when the model gives anything but one number a text.
        """
        if not texts:
            return []
        found = _loaded(self.folder, self.device, self.fingerprint).predict(
            [(question, text) for text in texts], batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True
        )
        if found.shape != (len(texts),) or not all(map(math.isfinite, found.tolist())):
            raise PipelineError(f"the re-ranker {self.folder} does not give one finite score a text; use one with one label")
        return [round(float(score), _DIGITS) for score in found]


def reranker_at(folder: str, device: str = "cpu") -> Reranker:
    """The re-ranker in a folder of this machine. Raises `PipelineError` when there is none."""
    path = Path(folder).expanduser()
    if not (path / "config.json").is_file():
        raise PipelineError(f"RAG_RERANKER={folder}: not a folder with a cross-encoder (no config.json); download one")
    return Reranker(path.resolve(), device)


def reranker_of(manifest: Manifest, device: str = "cpu") -> Reranker:
    """The re-ranker a release names. Raises `ReleaseError` when its files are gone, or are not the ones evaluated."""
    said = manifest.retrieval
    try:
        reranker = reranker_at(said.reranker, device)
    except PipelineError as error:
        raise ReleaseError(f"release {manifest.id} needs its re-ranker: {error}") from error
    if reranker.fingerprint != said.reranker_fingerprint:
        raise ReleaseError(
            f"release {manifest.id} answers with the re-ranker {said.reranker} ({said.reranker_fingerprint[:12]}), but "
            f"what lies there now is {reranker.fingerprint[:12]}. Put the files of that model back, or refresh"
        )
    return reranker


@lru_cache(maxsize=1)
def _loaded(folder: Path, device: str, _fingerprint: str) -> Any:
    return sentence_transformers().CrossEncoder(str(folder), device=device, local_files_only=True)
