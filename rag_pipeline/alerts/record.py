"""What was sent: one small file in `RAG_HOME`, so that nothing is sent twice, and nothing undelivered is forgotten."""

import logging
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rag_pipeline.alerts.cause import Findings
from rag_pipeline.alerts.deliver import Receiver
from rag_pipeline.alerts.message import Message, alert, plain, resolved
from rag_pipeline.files import write_json
from rag_pipeline.home import Home

log = logging.getLogger("rag_pipeline")


_LONGEST_WAIT = timedelta(hours=1)

_AT_A_TIME = 5
"""Messages to one receiver in one look: Apprise keeps some seconds between them, as services ask for."""

Owed = dict[Receiver, list[tuple[str, Message]]]
"""Receiver -> keys of causes and what to send about them, oldest first."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", validate_assignment=True)


class Told(_Entry):
    """One cause, from when it was first seen until everybody who heard of it heard of its end."""

    title: str
    body: str
    since: datetime
    marks: list[str]
    told: list[int] = []
    """Receivers that have this message."""
    heard: list[int] = []
    """Receivers that have this message or an earlier one, and do not know yet that it is over."""
    ended: datetime | None = None


class Trouble(_Entry):
    """A receiver that did not take its last message."""

    label: str
    says: str
    since: datetime
    tries: int
    again: datetime

    def waits(self, now: datetime) -> bool:
        """Whether it is too early to try again; a clock that was set back makes nobody wait longer."""
        return now < self.again <= now + _LONGEST_WAIT


class Record(_Entry):
    """Causes by key, and receivers in trouble by number."""

    causes: dict[str, Told] = {}
    troubles: dict[int, Trouble] = {}

    def learn(self, found: Findings, home: Home, serves: str, now: datetime) -> None:
        """Take in what is wrong now and what is well. A cause that is in neither stays as it is: nobody could look."""
        for cause in found.causes:
            message, title = alert(cause, home, serves), plain(cause.title)
            known = self.causes.get(cause.key)
            if known is None:
                self.causes[cause.key] = Told(title=title, body=message.body, since=now, marks=sorted(cause.marks))
                continue
            known.ended = None
            if cause.marks - set(known.marks):
                known.marks, known.told = sorted(cause.marks | set(known.marks)), []
            known.title, known.body = title, message.body
        for key, one in self.causes.items():
            if found.over(key):
                one.ended = one.ended or now

    def owed(self, receivers: tuple[Receiver, ...], home: Home, serves: str) -> Owed:
        """What each receiver has not heard yet."""
        return {
            receiver: [
                (key, resolved(one.title, home, serves) if one.ended else Message(f"[rag] {one.title}", one.body))
                for key, one in self.causes.items()
                if (receiver.number in one.heard if one.ended else receiver.number not in one.told)
            ]
            for receiver in receivers
        }

    def due(self, owed: Owed, now: datetime) -> Owed:
        """What of it is sent now: the first few, and nothing to a receiver that it is too early to try again."""
        ready = {receiver: news[:_AT_A_TIME] for receiver, news in owed.items() if news}
        for number, trouble in self.troubles.items():
            if trouble.waits(now):
                ready = {receiver: news for receiver, news in ready.items() if receiver.number != number}
        return ready

    def sent(self, key: str, number: int) -> None:
        one = self.causes[key]
        if one.ended:
            one.told = [other for other in one.told if other != number]
            one.heard = [other for other in one.heard if other != number]
        else:
            one.told, one.heard = sorted({*one.told, number}), sorted({*one.heard, number})

    def failed(self, receiver: Receiver, says: str, now: datetime) -> None:
        """Tried again after 1, 2, 4, … minutes, at last every hour, for as long as there is something to tell."""
        before = self.troubles.get(receiver.number)
        tries = before.tries + 1 if before else 1
        wait = min(timedelta(minutes=2 ** min(tries - 1, 6)), _LONGEST_WAIT)
        since = before.since if before else now
        self.troubles[receiver.number] = Trouble(label=receiver.label, says=says, since=since, tries=tries, again=now + wait)

    def tidy(self, receivers: tuple[Receiver, ...]) -> None:
        """Forget what is over for everybody there is, and receivers that are not there any more."""
        numbers = {receiver.number for receiver in receivers}
        self.causes = {key: one for key, one in self.causes.items() if not one.ended or numbers & set(one.heard)}
        self.troubles = {number: one for number, one in self.troubles.items() if number in numbers}


_UNWRITTEN: dict[Path, Record] = {}
"""What could not be written, by file: on a full disk a process that lives tells each thing once all the same."""


def read_record(home: Home) -> Record:
    """The record. A file that cannot be read counts as none: everything that is wrong is sent once more."""
    path = home.alerts
    if path in _UNWRITTEN:
        return _UNWRITTEN[path].model_copy(deep=True)
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read (%s): what is wrong now is sent once more", path, type(error).__name__)
        return Record()


def write_record(home: Home, record: Record) -> None:
    path = home.alerts
    try:
        write_json(path, record.model_dump(mode="json"))
    except OSError as error:
        log.warning("%s cannot be written (%s): this process remembers what it sent", path, error.strerror)
        _UNWRITTEN[path] = record.model_copy(deep=True)
    else:
        _UNWRITTEN.pop(path, None)
