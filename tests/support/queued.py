"""A home that was asked questions which are kept, and the queue that was drawn of them; no replica is needed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rag_pipeline.channels.pointer import serving
from rag_pipeline.settings import Settings
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.queue import Queue, draw_queue
from rag_pipeline.traffic.rows import KEY
from rag_pipeline.traffic.strata import SIZES_OF_A_DRAW
from tests.conftest import Workspace
from tests.support.asked_rows import NOW, asked, segment, verdict

QUESTIONS = (
    "how long is my holiday",
    "can I take a plane",
    "my notebook was stolen",
    "How long is my holiday?",
    "which train class may I book",
    "what is the wifi password",
)

LATER = NOW + timedelta(hours=1)


def settings_of(workspace: Workspace) -> Settings:
    return workspace.settings.model_copy(update={"query_text": "masked"})


def was_asked(workspace: Workspace, questions: Sequence[str] = QUESTIONS, *, start: int = 0, **changes: Any) -> list[str]:
    """Have questions in the table, as if replicas had answered them; their ids."""
    release = serving(workspace.home) or ""
    rows = [
        asked(start + number, user_query=text, release=release, scores=[0.3 + number / 100], **changes)
        for number, text in enumerate(questions)
    ]
    segment(workspace.home, rows, start + 1)
    for kind in KEY:
        ingest(workspace.home, kind, LATER, days=90)
    return [str(row["query_id"]) for row in rows]


def was_no_use(workspace: Workspace, query_id: str) -> None:
    segment(workspace.home, [verdict(query_id, action_name="not_useful")], 9_000, "feedback")
    ingest(workspace.home, "feedback", LATER, days=90)


def drawn(workspace: Workspace, uniform: int = 100) -> Queue:
    return draw_queue(settings_of(workspace), LATER, {**SIZES_OF_A_DRAW, "uniform": uniform})
