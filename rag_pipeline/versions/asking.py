"""What asks the models of a version: its prompt and models, on this machine's terms, out of the home's one budget."""

from datetime import UTC, datetime

from rag_pipeline.answer.budget import Books, Budget, FileBooks
from rag_pipeline.answer.config import Config
from rag_pipeline.answer.shared_books import SharedBooks
from rag_pipeline.answer.write import Writer
from rag_pipeline.home import Home
from rag_pipeline.home_settings import locks_url
from rag_pipeline.versions.content import terms
from rag_pipeline.versions.kept import KeptVersion


def books_of(home: Home) -> Books:
    """Those that all replicas of a home share, and its evaluations. Raises `PipelineError` where they cannot be reached."""
    if not home.uri:
        return FileBooks(home.spent)
    books = SharedBooks(locks_url(), home.uri)
    books.check()
    return books


def writer_of(kept: KeptVersion, own: Config, books: Books) -> Writer:
    """For one event loop. `own`: this machine's file of models."""
    config = terms(kept.version, kept.prices, own)
    return Writer(config, Budget(books, config.budget, lambda: datetime.now(UTC)))
