"""The embedding model: where its files lie, what makes it the same model tomorrow, and turning texts into vectors."""

import hashlib
import importlib
import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import file_sha256, fingerprint
from rag_pipeline.settings import Settings

Vectors = NDArray[np.float32]
"""Shape (texts, dimensions), each row of length 1."""

_NOT_THE_MODEL = {".md", ".gitattributes", ".gitignore", ".png", ".py"}
_FALLBACK_TOKENS = 256

EXPORTS = "models"
"""Folder below RAG_HOME: a graph for each model fingerprint, as its back end reads it."""


class Encoder(Protocol):
    """What turns texts into vectors. The same text gives the same vector whatever stands beside it in a batch."""

    def documents(self, texts: list[str]) -> Vectors: ...

    def queries(self, texts: list[str]) -> Vectors: ...


@dataclass(frozen=True)
class Model:
    """An embedding model on disk, not loaded yet: cheap to make, enough to chunk for and to compare with."""

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
        files = _digest(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in self._files()))
        return fingerprint(files, self.query_prompt, self.document_prompt, self._run_by())

    def _run_by(self) -> dict[str, str]:
        run_by = {"backend": self.backend, "precision": {"fp32": "float32"}.get(self.precision, self.precision)}
        if self.precision == "int8":
            from rag_pipeline.corpus.encoders.calibration import calibration_fingerprint

            run_by["calibration"] = calibration_fingerprint()
        return run_by

    def _files(self) -> list[Path]:
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [path for path in found if path.suffix not in _NOT_THE_MODEL and path.name not in _NOT_THE_MODEL]

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

    def load(self) -> Encoder:
        """Load the weights (seconds, hundreds of megabytes), unless this very model is the one loaded last."""
        return _loaded(self, self.fingerprint)


@lru_cache(maxsize=1)
def _loaded(model: Model, _fingerprint: str) -> Encoder:
    """One refresh embeds chunks and then queries: the second time finds the model here."""
    from rag_pipeline.corpus.encoders import encoder_of

    return encoder_of(model)


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash of names and bytes, read again only when a file's size or time of change is another."""
    digest = hashlib.sha256()
    top = min((path.parent for path, _, _ in files), key=lambda folder: len(folder.parts), default=Path())
    for path, _, _ in files:
        digest.update(f"{path.relative_to(top).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def usable(vectors: Vectors, texts: int) -> Vectors:
    """The vectors, if an index may hold them. Raises `PipelineError` for a wrong count, NaN, or a zero vector."""
    if vectors.shape[0] != texts:
        raise PipelineError(f"the model gave {vectors.shape[0]} vectors for {texts} texts")
    if not np.isfinite(vectors).all():
        raise PipelineError("the model gave a vector with NaN or infinity; check its weights and precision")
    if texts and float(np.linalg.norm(vectors, axis=1).min()) < 1e-6:
        raise PipelineError("the model gave a zero vector, which no query can find; check its weights")
    return vectors


def model_of(settings: Settings) -> Model:
    """The configured model.

    Raises `PipelineError` when its files are not on this machine, or it cannot be run the way the settings say.
    """
    from rag_pipeline.corpus.encoders.kinds import kind_of

    kind = kind_of(settings.embed_backend, settings.embed_precision, settings.device)
    return Model(
        folder=_folder(settings.model),
        query_prompt=settings.query_prompt,
        document_prompt=settings.document_prompt,
        device=settings.device,
        batch=settings.embed_batch,
        backend=kind.backend,
        precision=kind.precision,
        exports=settings.home / EXPORTS,
    )


def same_machine(model: Model, *, name: str, query_prompt: str, document_prompt: str, backend: str, precision: str) -> Model:
    """Another model on the device and with the batches of this one. Raises `PipelineError` when it is not here."""
    return replace(
        model,
        folder=_folder(name),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        backend=backend,
        precision=precision,
    )


def _folder(name: str) -> Path:
    if name.startswith("package:"):
        module = name.removeprefix("package:")
        try:
            return Path(importlib.import_module(module).MODEL_DIR)
        except (ImportError, AttributeError) as error:
            raise PipelineError(f"RAG_MODEL={name}: no installed package {module!r} with a MODEL_DIR") from error
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        raise PipelineError(
            f"RAG_MODEL={name}: neither a folder nor a model in the local cache. Give the path of a downloaded model, "
            "or set HF_HUB_OFFLINE=0 once to download it"
        ) from error
