"""What an alert says, as plain text that no receiver takes for markup."""

import re
import socket
from dataclasses import dataclass

from rag_pipeline.alerts.cause import Cause
from rag_pipeline.home import Home

_LONGEST = 400
"""Characters of one reason."""

_MOST = 12
"""Reasons in one message."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `kind`: what receivers colour it by, a failure or the end of one."""

    title: str
    body: str
    kind: str = "failure"


def alert(cause: Cause, home: Home, serves: str) -> Message:
    """What is wrong, why, who owns it, what serves meanwhile, what to do."""
    reasons = [f"  - {plain(reason)}" for reason in cause.reasons[:_MOST]]
    if len(cause.reasons) > _MOST:
        reasons.append(f"  - and {len(cause.reasons) - _MOST} more")
    lines = [
        f"What: {plain(cause.title)}",
        "Why:",
        *reasons,
        f"Owner: {plain(cause.owner)}",
        f"Serves now: {plain(serves)}",
        *(f"{'Next' if number == 0 else 'Then'}: {plain(step)}" for number, step in enumerate(cause.next)),
        *([f"Run: {cause.run_id}"] if cause.run_id else []),
        f"More: docs/runbook.md, An alert came: {cause.kind}",
        _from(home),
    ]
    return Message(f"[rag] {plain(cause.title)}", "\n".join(lines))


def resolved(title: str, home: Home, serves: str) -> Message:
    """The end of a cause."""
    body = f"It is over: {plain(title)}\nServes now: {plain(serves)}\n{_from(home)}"
    return Message(f"[rag] resolved: {plain(title)}", body, "success")


def trial(home: Home) -> Message:
    """What `rag alerts test` sends."""
    body = f"This is a test. Whoever receives it gets a message when this pipeline needs somebody.\n{_from(home)}"
    return Message("[rag] a test of the alerts", body, "info")


def plain(text: str) -> str:
    """One line that is only text: no control characters, no tags, no links, no calling of everybody.

    Names of files come from whoever writes documents, and chats make links and mentions of plain text.
    """
    text = " ".join(_CONTROL.sub(" ", text).split())
    text = text.replace("<", "‹").replace(">", "›").replace("](", "] (")
    text = _EVERYBODY.sub("@\u200b\\1", text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_EVERYBODY = re.compile(r"@(everyone|here|channel|all|team)\b", re.IGNORECASE)


def _from(home: Home) -> str:
    return f"Pipeline: {plain(str(home))} on {socket.gethostname()}"
