"""What an encoder is, and what it takes to run one: a model on disk, with the way it is to be run."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.corpus.encoders.calibration import calibration_fingerprint
from rag_pipeline.corpus.model_folder import fingerprint_folder
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint

Vectors = NDArray[np.float32]
"""Shape (texts, dimensions), each row of length 1."""

_FALLBACK_TOKENS = 256


class Encoder(Protocol):
    """What turns texts into vectors. The same text gives the same vector whatever stands beside it in a batch."""

    def documents(self, texts: list[str]) -> Vectors: ...

    def queries(self, texts: list[str]) -> Vectors: ...


@dataclass(frozen=True)
class ModelSpec:
    """An embedding model on disk, as data: cheap to make, enough to chunk for and to compare with."""

    folder: Path
    query_prompt: str
    document_prompt: str
    device: str
    batch: int
    backend: str = "torch"
    precision: str = "fp32"
    exports: Path = Path()
    """Where exported graphs are kept; the empty path: torch keeps none."""

    @cached_property
    def fingerprint(self) -> str:
        """Covers weights, tokenizer, pooling, sequence length (all files of the folder), prompts, back end and precision.

        The device is left out: it changes a vector by less than the index resolves.
        """
        return fingerprint(fingerprint_folder(self.folder), self.query_prompt, self.document_prompt, self._run_by())

    def _run_by(self) -> dict[str, str]:
        run_by = {"backend": self.backend, "precision": {"fp32": "float32"}.get(self.precision, self.precision)}
        return run_by | ({"calibration": calibration_fingerprint()} if self.precision == "int8" else {})

    @cached_property
    def max_tokens(self) -> int:
        """Tokens of one text the model reads; what lies beyond is cut off silently, so chunks must not reach it."""
        config = self.folder / "sentence_bert_config.json"
        if config.is_file():
            return int(json.loads(config.read_text(encoding="utf-8")).get("max_seq_length") or _FALLBACK_TOKENS)
        return _FALLBACK_TOKENS

    @cached_property
    def dimensions(self) -> int:
        """Length of one vector."""
        for config, field in (("1_Pooling/config.json", "word_embedding_dimension"), ("config.json", "hidden_size")):
            path = self.folder / config
            if path.is_file() and (found := json.loads(path.read_text(encoding="utf-8")).get(field)):
                return int(found)
        raise PipelineError(f"{self.folder}: neither 1_Pooling/config.json nor config.json says how long a vector is")

    def tokenizer(self) -> Any:
        """The model's own tokenizer, without its truncation and padding."""
        from tokenizers import Tokenizer

        file = self.folder / "tokenizer.json"
        if not file.is_file():
            raise PipelineError(f"{self.folder}: no tokenizer.json; save the model with a fast tokenizer")
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def usable(vectors: Vectors, texts: int) -> Vectors:
    """The vectors, if an index may hold them. Raises `PipelineError` for a wrong count, NaN, or a zero vector."""
    if vectors.shape[0] != texts:
        raise PipelineError(f"the model gave {vectors.shape[0]} vectors for {texts} texts")
    if not np.isfinite(vectors).all():
        raise PipelineError("the model gave a vector with NaN or infinity; check its weights and precision")
    if texts and float(np.linalg.norm(vectors, axis=1).min()) < 1e-6:
        raise PipelineError("the model gave a zero vector, which no query can find; check its weights")
    return vectors
