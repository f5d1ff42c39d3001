"""How segments leave a replica whose home lies in a bucket: in a thread of its own, so that a store that hangs loses no row.

What cannot be sent stays on the disk, and is sent later: by this replica, or by the next one that has the same RAG_CACHE.
"""

import logging
import threading

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.mirrored import Exchange
from rag_pipeline.traffic.segments import whole

log = logging.getLogger("rag_pipeline")

_LAST_S = 10.0
"""How long a replica that ends waits for the store."""
_LOOK_EVERY = 30
"""Rounds with something to send between two looks at how many segments wait in the bucket."""


class Sender:
    """Sends what lies in the folder of the log, until it is closed. `most`: segments that may wait in the bucket."""

    def __init__(self, home: Home, there: Exchange, *, every_s: float, most: int) -> None:
        self._home, self._there, self._every_s, self._most = home, there, every_s, most
        self._rounds, self._crowded, self._trouble = 0, False, ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what is left, unless the store takes too long."""
        self._end.set()
        self._thread.join(_LAST_S)
        if left := len(whole(self._home.traffic)):
            log.warning(
                "%s: %s segments of the log of questions were not sent to %s; a replica, or `rag traffic ingest`, with the "
                "same RAG_CACHE sends them",
                self._home.traffic,
                f"{left:,}",
                self._home,
            )

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            self._send()
        self._send()

    def _send(self) -> None:
        try:
            if paths := whole(self._home.traffic):
                if self._rounds % _LOOK_EVERY == 0:
                    self._crowded = len(self._there.waiting()) > self._most
                self._rounds += 1
                if self._crowded:
                    raise PipelineError(
                        f"more than {self._most:,} segments wait for `rag traffic ingest`, which nobody runs"
                    )
                for path in paths:
                    self._there.send(path)
            self._tell("")
        except (OSError, PipelineError) as error:
            self._tell(str(error))

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("the log of questions stays on this machine for now (%s); answers go on", trouble)
        self._trouble = trouble
