"""A replica that keeps a log of questions, and the rows of it."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from rag_pipeline.home import Home
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.rows import Kind
from tests.conftest import Workspace
from tests.support.asked_rows import stored
from tests.support.replicas import Running, replica

SALT = "a salt of tests"
LATER = datetime.now(UTC) + timedelta(hours=1)


LOGS: dict[str, Any] = {"RAG_QUERY_TEXT": "masked", "RAG_PII_SALT": SALT}
"""What such a replica runs with."""


def logging_replica(workspace: Workspace, **variables: Any) -> AbstractContextManager[Running]:
    return replica(workspace, **LOGS, **variables)


def rows_of(home: Home, kind: Kind = "queries") -> list[dict[str, Any]]:
    """All that was logged, ingested first."""
    ingest(home, kind, LATER, days=90)
    return stored(home, kind)
