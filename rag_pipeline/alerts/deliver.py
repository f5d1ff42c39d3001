"""How messages get to receivers: through Apprise, in one process for each receiver, which is ended when its time is up.

A receiver that is dead, slow or hostile costs that time and no more, and nothing it does reaches the process that
sends: no thread stays behind, and no line of a library's log with an address in it.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rag_pipeline.alerts.message import Message
from rag_pipeline.alerts.sender import SENT

TIMEOUT_S = 30.0
"""What one look may spend on delivering, all receivers at the same time. Dagster gives a sensor 60 s."""

_SENDER = Path(__file__).with_name("sender.py")

_SPLIT = re.compile(r"[\s,;]+(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Receiver:
    """One address. It is a secret whole: what is shown of it is its number and its kind."""

    number: int
    url: str

    @property
    def label(self) -> str:
        kind, found, _ = self.url.partition("://")
        return f"receiver {self.number} ({kind.lower() if found and kind.isalnum() else 'not an address'})"

    def __repr__(self) -> str:
        return self.label


def receivers_of(setting: str) -> tuple[Receiver, ...]:
    """The receivers a setting names: Apprise addresses, apart by blanks or commas. Asks nobody."""
    urls = filter(None, _SPLIT.split(setting.strip(" \t\r\n,;")))
    return tuple(Receiver(number, url) for number, url in enumerate(urls, 1))


Outbox = Mapping[Receiver, Sequence[Message]]
Deliver = Callable[[Outbox], dict[int, list[str]]]


def deliver(outbox: Outbox, timeout_s: float = TIMEOUT_S) -> dict[int, list[str]]:
    """Send every receiver its messages, in order, up to the first that fails.

    Returns what came of each, by number of the receiver: `sent`, or why not. A list shorter than the messages means that
    the rest was not tried. Never raises for what a receiver does.
    """
    found: dict[int, list[str]] = {}

    def work(receiver: Receiver, messages: Sequence[Message]) -> None:
        found[receiver.number] = _send(receiver, messages, timeout_s)

    threads = [threading.Thread(target=work, args=one) for one in outbox.items() if one[1]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _send(receiver: Receiver, messages: Sequence[Message], timeout_s: float) -> list[str]:
    work = json.dumps({"url": receiver.url, "messages": [asdict(message) for message in messages]})
    command = [sys.executable, "-P", str(_SENDER)]  # the address goes through a pipe: a command line is for all to see
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("RAG_")
    }  # no secret it needs not
    try:
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=none, text=True, env=environment) as process:
            try:
                out, _ = process.communicate(work, timeout=timeout_s)
                late = ""
            except subprocess.TimeoutExpired:
                process.kill()
                out, _ = process.communicate()
                late = f"did not take it within {timeout_s:g} s"
    except OSError as error:
        return [f"no process could be started: {error.strerror}"]
    told = out.splitlines()
    if len(told) < len(messages) and (not told or told[-1] == SENT):
        told.append(late or "the delivery failed; is Apprise installed (`pip install apprise`)?")
    return told
