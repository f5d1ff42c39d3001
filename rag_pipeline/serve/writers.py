"""Which of the retrieved passages a language model may see, and what asks them.

An endpoint is a reader like any other: it is granted words, as keys are, and sees a passage only if it may read its row and
the contract of its source states a classification that it was given.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rag_pipeline.answer.budget import Budget
from rag_pipeline.answer.cited import Passage
from rag_pipeline.answer.config import Config, read_config
from rag_pipeline.answer.endpoint import check_installed
from rag_pipeline.answer.shared_books import books_of
from rag_pipeline.answer.stated import stated
from rag_pipeline.answer.write import Writer
from rag_pipeline.home import Home
from rag_pipeline.release.leased import Leased
from rag_pipeline.settings import Settings


def writer_of(settings: Settings) -> Writer | None:
    """What asks language models; None where the settings name no file of them. Raises `PipelineError` for a wrong one."""
    if not settings.serve_answers:
        return None
    config = read_config(Path(settings.serve_answers))
    check_installed()
    return Writer(config, Budget(books_of(settings.home), config.budget, lambda: datetime.now(UTC)))


def seen_by(config: Config, leased: Leased, home: Home, passages: Sequence[Passage]) -> dict[str, tuple[Passage, ...]]:
    """Name of an endpoint -> those of the passages that it may see, in their order."""
    said = {source: stated(home, leased.manifest, source) for source in {one.source for one in passages}}
    found: dict[str, tuple[Passage, ...]] = {}
    for endpoint in config.models:
        mine = [one for one in passages if said[one.source] in endpoint.classifications]
        readable = {hit.chunk_id for hit in leased.reader(endpoint.reads).read(*(one.chunk_id for one in mine))}
        found[endpoint.name] = tuple(one for one in mine if one.chunk_id in readable)
    return found
