"""How a replica logs: a request leaves its row in memory, and a thread masks it, writes segments, and counts what is lost.

No request waits for it, and none fails for it. What does not fit into memory, or not onto the disk, is lost and counted.
"""

import logging
import os
import re
import secrets
import shutil
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from rag_pipeline.files import private_folder
from rag_pipeline.home import Home
from rag_pipeline.mirrored import exchange
from rag_pipeline.traffic.rows import KEY, Kind
from rag_pipeline.traffic.segments import fits, write_segment
from rag_pipeline.traffic.sender import Sender

log = logging.getLogger("rag_pipeline")

MOST = 5_000
"""Rows of one kind that wait for the thread, and as many that wait for the disk: some 20 MB."""
_A_SEGMENT = 2_000
EVERY_S = 1.0
MOST_SEGMENTS = 50_000
"""Where nobody puts segments into tables for most of a day of steady load, replicas write no more of them."""
LEAST_FREE = 200_000_000
"""Bytes that the log leaves free on the disk: what serves needs them more."""
_LOOK_EVERY = 30
"""Flushes between two looks at how many segments wait."""


class Spool:
    """The log of one replica, until it is closed. `row_of`: makes, in its thread, the row that may be kept."""

    def __init__(
        self,
        home: Home,
        row_of: Mapping[Kind, Callable[[Any], dict[str, Any]]],
        first: Callable[[], object] = lambda: None,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """`first`: what the thread does before anything else, such as to load what it masks with."""
        self._home, self._row_of, self._first, self._every_s = home, row_of, first, every_s
        host = re.sub(r"[^\w.-]", "_", socket.gethostname())[:60] or "host"
        host = f"{host[:50]}.{secrets.token_hex(4)}"  # machines of a cluster may have one name, and all of them a process 1
        self._name = f"{host}-{os.getpid()}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        self._number = self._flushes = 0
        self._put: dict[Kind, deque[Any]] = {kind: deque() for kind in KEY}
        self._rows: dict[Kind, list[dict[str, Any]]] = {kind: [] for kind in KEY}
        self._untold: Counter[Kind] = Counter()
        self.lost: Counter[Kind] = Counter()
        """Rows that were lost since the replica began."""
        self.kept: Counter[Kind] = Counter()
        """Rows that are in segments."""
        self._counting = threading.Lock()
        self._trouble = ""
        self._crowded = False
        self._end = threading.Event()
        there = exchange(home.traffic)
        self._sender = Sender(home, there, every_s=every_s, most=MOST_SEGMENTS) if there else None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def put(self, kind: Kind, what: Any) -> bool:
        """Log something; whether there was room for it. Any thread may call it, and none waits."""
        waits = self._put[kind]
        if len(waits) >= MOST or self._end.is_set():
            self._lose(kind, 1)
            return False
        waits.append(what)
        return True

    def close(self) -> None:
        """Write what is left. What cannot be written then is lost."""
        self._end.set()
        self._thread.join()
        self._flush()
        for kind in KEY:
            left = len(self._rows[kind]) + len(self._put[kind])
            self._lose(kind, left)
        if self._sender:
            self._sender.close()
        if self.lost.total():
            log.warning("%s rows of the log of questions were lost since this replica began", f"{self.lost.total():,}")

    def _run(self) -> None:
        self._first()
        while not self._end.wait(self._every_s):
            self._flush()

    def _flush(self) -> None:
        for kind in KEY:
            self._make_rows(kind)
            try:
                self._write(kind)
            except OSError as error:
                self._tell(error.strerror or type(error).__name__)
            except Exception as error:  # whatever it is, its rows are tried again, and the thread goes on
                self._tell(type(error).__name__)

    def _make_rows(self, kind: Kind) -> None:
        waits, rows = self._put[kind], self._rows[kind]
        for _ in range(len(waits)):
            what = waits.popleft()
            if len(rows) >= MOST:
                self._lose(kind, 1)
                continue
            try:
                rows.append(self._row_of[kind](what))
            except Exception as error:  # one row, whatever is odd about it, ends neither the thread nor the log
                self._lose(kind, 1)
                self._tell(f"a row could not be made: {type(error).__name__}")

    def _write(self, kind: Kind) -> None:
        rows = self._rows[kind]
        if not rows:
            return
        folder = private_folder(self._home.traffic)
        self._check_room()
        while rows:
            some = rows[:_A_SEGMENT]
            with self._counting:
                untold = self._untold[kind]
            some[0]["lost_before"] = untold
            self._number += 1
            try:
                write_segment(folder, f"{self._name}-{self._number:08d}", kind, some)
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                self._lose_odd(kind, rows, len(some), error)
                continue
            with self._counting:
                self._untold[kind] -= untold
                self.kept[kind] += len(some)
            del rows[: len(some)]
        self._trouble = ""

    def _lose_odd(self, kind: Kind, rows: list[dict[str, Any]], first: int, error: Exception) -> None:
        """Give up those of the first rows that no segment can hold: what waits behind them is logged all the same."""
        good = [row for row in rows[:first] if fits(kind, row)]
        if len(good) == first:
            raise error  # each fits alone: it is not the rows
        rows[:first] = good
        self._lose(kind, first - len(good))
        self._tell(f"a row does not fit a segment: {type(error).__name__}")

    def _check_room(self) -> None:
        """Raises `OSError` when nothing more should be written."""
        if self._flushes % _LOOK_EVERY == 0:
            with os.scandir(self._home.traffic) as lying:
                self._crowded = sum(1 for _ in lying) > MOST_SEGMENTS
        self._flushes += 1
        if self._crowded:
            raise OSError(0, f"more than {MOST_SEGMENTS:,} segments wait for `rag traffic ingest`, which nobody runs")
        if shutil.disk_usage(self._home.traffic).free < LEAST_FREE:
            raise OSError(0, f"less than {LEAST_FREE // 1_000_000} MB are free")

    def _lose(self, kind: Kind, rows: int) -> None:
        with self._counting:
            self.lost[kind] += rows
            self._untold[kind] += rows

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("%s: the log of questions is not written (%s); answers go on", self._home.traffic, trouble)
        self._trouble = trouble
