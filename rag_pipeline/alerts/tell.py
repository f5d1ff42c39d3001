"""Sends receivers what they have not heard yet: one message for each cause, and one when it is over."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rag_pipeline.alerts.cause import Findings
from rag_pipeline.alerts.causes import serves_now
from rag_pipeline.alerts.deliver import Deliver, Receiver, deliver, receivers_of
from rag_pipeline.alerts.message import trial
from rag_pipeline.alerts.record import read_record, write_record
from rag_pipeline.alerts.sender import SENT
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home

log = logging.getLogger("rag_pipeline")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one look, in words without an address."""

    sent: tuple[str, ...] = ()
    waiting: int = 0
    troubles: tuple[str, ...] = ()
    causes: int = 0

    @property
    def says(self) -> str:
        sent = f"told: {'; '.join(self.sent)}" if self.sent else "nothing new to tell"
        waits = f"; {count(self.waiting, 'message waits', 'messages wait')}" if self.waiting else ""
        waits += f": {'; '.join(self.troubles)}" if self.waiting and self.troubles else ""
        return f"{sent}; {count(self.causes, 'thing is', 'things are')} wrong now{waits}"


def count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def tell(home: Home, setting: str, look: Callable[[], Findings], now: datetime, send: Deliver = deliver) -> Outcome | None:
    """Look, and send what is new. `setting`: the receivers' addresses. None when another process is telling right now.

    What a receiver did not take is written down and tried again by later calls. Never raises for what a receiver does.
    """
    receivers = receivers_of(setting)
    if not receivers or not home.root.is_dir():
        return Outcome()
    with _alone(home) as alone:
        if not alone:
            return None
        found, serves, record = look(), serves_now(home), read_record(home)
        before = record.model_dump()
        record.learn(found, home, serves, now)
        outbox = record.due(record.owed(receivers, home, serves), now)
        if record.model_dump() != before:  # before anything is sent: what was seen is not lost with this process
            write_record(home, record)
        told = []
        results = send({receiver: [message for _, message in news] for receiver, news in outbox.items()}) if outbox else {}
        for receiver, news in outbox.items():
            for (key, message), result in zip(news, results.get(receiver.number, []), strict=False):
                if result == SENT:
                    record.sent(key, receiver.number)
                    record.troubles.pop(receiver.number, None)
                    told.append(message.title.removeprefix("[rag] "))
                else:
                    record.failed(receiver, result, now)
                    log.warning("an alert was not delivered: %s %s; it is tried again", receiver.label, result)
        record.tidy(receivers)
        if record.model_dump() != before:
            write_record(home, record)
        _looked(home, now)
        waiting = sum(len(news) for news in record.owed(receivers, home, serves).values())
        troubles = tuple(f"{one.label} {one.says}" for one in record.troubles.values())
        causes = sum(1 for one in record.causes.values() if not one.ended)
        return Outcome(tuple(dict.fromkeys(told)), waiting, troubles, causes)


def nobody_to_tell() -> PipelineError:
    """The error for a command that sends alerts where no receiver is set."""
    return PipelineError("RAG_ALERTS is not set, so no message is sent; docs/commands.md describes its values")


def try_out(home: Home, setting: str, send: Deliver = deliver) -> dict[str, str]:
    """Send a test to every receiver: receiver -> what came of it. Raises `PipelineError` when there is none."""
    receivers = receivers_of(setting)
    if not receivers:
        raise nobody_to_tell()
    results = send({receiver: [trial(home)] for receiver in receivers})
    return {receiver.label: (results.get(receiver.number) or ["nothing came of it"])[0] for receiver in receivers}


def told_now(home: Home, setting: str) -> dict[str, Any]:
    """What was told and is not over, and which receivers are in trouble, as plain values. Asks nobody."""
    receivers, record = receivers_of(setting), read_record(home)
    return {
        "on": bool(receivers),
        "receivers": [receiver.label for receiver in receivers],
        "looked_at": _last_look(home),
        "causes": [
            {"what": one.title, "since": one.since, "told": _all_know(receivers, one.told)}
            for one in record.causes.values()
            if not one.ended
        ],
        "troubles": [
            {"receiver": one.label, "says": one.says, "since": one.since, "tries": one.tries, "again": one.again}
            for one in record.troubles.values()
        ],
    }


def _all_know(receivers: tuple[Receiver, ...], told: list[int]) -> bool:
    return {receiver.number for receiver in receivers} <= set(told)


def _looked(home: Home, now: datetime) -> None:
    """The time of the record's file is that of the last look: a file a minute need not be written for it."""
    path = home.alerts
    if not path.exists():
        write_record(home, read_record(home))
    if path.exists():
        os.utime(path, (now.timestamp(), now.timestamp()))


def _last_look(home: Home) -> datetime | None:
    path = home.alerts
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None


@contextmanager
def _alone(home: Home) -> Iterator[bool]:
    """Whether nobody else is telling; where no lock can be made (a read-only disk), nobody else can be kept out."""
    held = home.exclusive("alerts", wait_s=0)
    try:
        held.__enter__()
    except PipelineError:
        yield False
        return
    except OSError:
        yield True
        return
    try:
        yield True
    finally:
        held.__exit__(None, None, None)
