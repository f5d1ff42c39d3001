"""The log of a replica: one JSON object a line, on stderr. It says what became of each request, never what it asked."""

import logging
import sys
import traceback
from typing import Any

import structlog

from rag_pipeline.terminal import one_line


def begin() -> Any:
    """Have the pipeline's own messages, and the libraries' warnings, come out as JSON lines too. Returns what logs."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    told = structlog.get_logger()
    root = logging.getLogger()
    root.handlers[:] = [_AsJson(told)]
    root.setLevel(logging.WARNING)
    ours = logging.getLogger("rag_pipeline")
    ours.setLevel(logging.INFO)
    ours.handlers[:], ours.propagate = [], True
    for name in ("mcp", "uvicorn", "uvicorn.error", "uvicorn.access"):  # they quote what callers send
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return told


class _AsJson(logging.Handler):
    def __init__(self, told: Any) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._told.msg(one_line(record.getMessage()), level=record.levelname.lower(), logger=record.name)
        except Exception:
            self.handleError(record)


def where(error: BaseException) -> list[str]:
    """Where an error came from, without its message: that may quote a query or a document."""
    frames = traceback.extract_tb(error.__traceback__)
    return [*(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]), type(error).__name__]
