"""What the contract of a source says of who may see its rows, as it was when a release was built."""

from functools import lru_cache
from pathlib import Path

from rag_pipeline.answer.config import UNSTATED
from rag_pipeline.contracts.read import SUFFIX, read_contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import CONTRACTS_FOLDER, Home
from rag_pipeline.index.manifest import Manifest


def stated(home: Home, manifest: Manifest, source: str) -> str:
    """What a source's contract stated when the release was built; a word that no endpoint has where it cannot be read."""
    name = f"{CONTRACTS_FOLDER}/{source}{SUFFIX}"
    return _classification(home.release(manifest.id) / name) if name in manifest.files else UNSTATED


@lru_cache(maxsize=1024)
def _classification(file: Path) -> str:
    try:
        return read_contract(file).classification or UNSTATED
    except (PipelineError, OSError):
        return ""
