"""The folder a model lies in: where a name leads to, and what makes its files the same tomorrow."""

import hashlib
import importlib
from functools import lru_cache
from pathlib import Path

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import file_sha256

_NOT_THE_MODEL = {".md", ".gitattributes", ".gitignore", ".png", ".py"}


def fingerprint_folder(folder: Path) -> str:
    """Hash of the names and bytes of all files of a model: weights, tokenizer, pooling, sequence length.

    What changes no vector (a README, a picture, code that is not run) is left out.
    """
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in found if path.suffix not in _NOT_THE_MODEL and path.name not in _NOT_THE_MODEL]
    return _digest(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Read again only when a file's size or time of change is another."""
    digest = hashlib.sha256()
    top = min((path.parent for path, _, _ in files), key=lambda folder: len(folder.parts), default=Path())
    for path, _, _ in files:
        digest.update(f"{path.relative_to(top).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def model_folder(name: str) -> Path:
    """The folder of the model that `RAG_MODEL` names. Raises `PipelineError` when it is not on this machine."""
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
