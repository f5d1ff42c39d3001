"""How events get to their receiver: in order, by one thread, which a run waits for only so long.

A receiver that is dead, slow or hostile costs a run that much and no more. What it did not take is lost, counted and told:
the events of the next run say the same again.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from rag_pipeline.errors import PipelineError
from rag_pipeline.lineage.events import event_of
from rag_pipeline.lineage.facts import Event
from rag_pipeline.urls import WEB

STEP_S, PROCESS_S = 5.0, 30.0
"""What one step may wait for the receiver when it ends, and all steps of one process together."""

_ENDPOINT = "api/v1/lineage"
"""Where OpenLineage receivers listen, unless the address names another place."""


@dataclass(frozen=True, slots=True, repr=False)
class Receiver:
    """Who takes the events. Its address may hold a password: what is shown of it is its host."""

    url: str
    key: str = field(default="")

    @property
    def label(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def __repr__(self) -> str:
        return self.label


def receiver_of(url: str, key: str = "") -> Receiver | None:
    """The receiver the settings name; None where they name none. Raises `PipelineError`, without quoting an address."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in WEB and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise PipelineError(
            "RAG_OPENLINEAGE_URL is not an http or https address; write it as http://marquez.example.com:5000"
        )
    if parts.query or parts.fragment:
        raise PipelineError(
            "RAG_OPENLINEAGE_URL has a part behind ? or #, which would be written to logs; put the key of the receiver into "
            "RAG_OPENLINEAGE_API_KEY"
        )
    if not key.isprintable() or not key.isascii():
        raise PipelineError("RAG_OPENLINEAGE_API_KEY holds characters that no HTTP header can carry")
    return Receiver(url, key)


Deliver = Callable[[Event], str]
"""Sends one event; returns why it was not taken, or nothing."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Events that nobody took, and why the last of them was not."""

    count: int
    why: str = ""


class Sender:
    """Sends events in the order they come. One for a process; its thread ends with it."""

    def __init__(self, deliver: Deliver, step_s: float = STEP_S, process_s: float = PROCESS_S) -> None:
        self._deliver = deliver
        self._step_s, self._left_s = step_s, process_s
        self._waiting: deque[Event] = deque()
        self._changed = threading.Condition()
        self._lost: list[str] = []
        self._given_up = False
        self._thread: threading.Thread | None = None

    def send(self, event: Event) -> None:
        """Take an event to be sent. Returns at once."""
        with self._changed:
            if self._given_up:
                self._lost.append("it did not take earlier ones in time")
                return
            self._waiting.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="openlineage", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> Lost:
        """Wait until all is sent, or the time for that is up; then nothing more is sent. Returns what was lost so far."""
        with self._changed:
            before = time.monotonic()
            done = self._changed.wait_for(lambda: not self._waiting, timeout=min(self._step_s, self._left_s))
            self._left_s = max(0.0, self._left_s - (time.monotonic() - before))
            if not done:
                self._lost += [f"it did not take them within {self._step_s:g} s"] * len(self._waiting)
                self._waiting.clear()
                self._given_up = True
            lost, self._lost = self._lost, []
            return Lost(len(lost), lost[-1] if lost else "")

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                event = self._waiting[0]
            problem = self._deliver(event)
            with self._changed:
                if self._waiting and self._waiting[0] is event:  # else it was given up meanwhile, and counted
                    self._waiting.popleft()
                    if problem:
                        self._lost.append(problem)
                self._changed.notify_all()


class HttpDelivery:
    """Delivery by OpenLineage's own client. No message of a library is shown: it may quote the address."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._transport: Any = None

    def __call__(self, event: Event) -> str:
        try:
            from requests.exceptions import ConnectionError as NotReached
            from requests.exceptions import HTTPError, Timeout

            self._transport = self._transport or _transport(self._receiver)
            self._transport.emit(event_of(event))
        except ImportError:
            return "the package openlineage-python is not installed: pip install 'rag-pipeline[openlineage]'"
        except HTTPError as error:
            return f"it answered {getattr(error.response, 'status_code', 'with an error')}"
        except Timeout:
            return f"it did not answer within {STEP_S:g} s"
        except NotReached:
            return "it could not be reached"
        except Exception as error:  # whatever it is: lineage is for people, and no run fails for want of it
            return f"the event could not be sent ({type(error).__name__})"
        return ""


def _transport(receiver: Receiver) -> Any:
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

    logging.getLogger("openlineage").setLevel(logging.WARNING)  # below that it writes the address
    parts = urlsplit(receiver.url)
    auth = ApiKeyTokenProvider({"apiKey": receiver.key}) if receiver.key else TokenProvider({})
    url, endpoint = parts._replace(path="").geturl(), parts.path.strip("/") or _ENDPOINT
    return HttpTransport(HttpConfig(url=url, endpoint=endpoint, timeout=STEP_S, auth=auth, retry={"total": 0}))
