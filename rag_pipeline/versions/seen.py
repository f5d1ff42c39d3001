"""Which of the retrieved passages a language model may see.

An endpoint is a reader like any other: it is granted words, as keys are, and sees a passage only if it may read its row and
the contract of its source states a classification that it was given.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from rag_pipeline.answer.cited import Passage
from rag_pipeline.answer.config import UNSTATED, Config
from rag_pipeline.contracts.read import SUFFIX, read_contract
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import CONTRACTS_FOLDER, Home
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.retrieve import OpenRelease

Reader = Callable[[Iterable[str]], OpenRelease]
"""The release as it is for whoever was granted some words."""


def seen_by(
    config: Config, manifest: Manifest, reader: Reader, home: Home, passages: Sequence[Passage]
) -> dict[str, tuple[Passage, ...]]:
    """Name of an endpoint -> those of the passages that it may see, in their order."""
    stated = {source: _stated(home, manifest, source) for source in {one.source for one in passages}}
    found: dict[str, tuple[Passage, ...]] = {}
    for endpoint in config.models:
        mine = [one for one in passages if stated[one.source] in endpoint.classifications]
        readable = {hit.chunk_id for hit in reader(endpoint.reads).read(*(one.chunk_id for one in mine))}
        found[endpoint.name] = tuple(one for one in mine if one.chunk_id in readable)
    return found


def _stated(home: Home, manifest: Manifest, source: str) -> str:
    """What a source's contract stated when the release was built; a word that no endpoint has where it cannot be read."""
    name = f"{CONTRACTS_FOLDER}/{source}{SUFFIX}"
    return _classification(home.release(manifest.id) / name) if name in manifest.files else UNSTATED


@lru_cache(maxsize=1024)
def _classification(file: Path) -> str:
    try:
        return read_contract(file).classification or UNSTATED
    except (PipelineError, OSError):
        return ""
