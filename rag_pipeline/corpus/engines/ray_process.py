"""The process in which Ray runs, as its parent sees it: it is told what to do, and says line by line what came of it.

A process of its own, because Ray writes to the terminal, takes over signals, and cannot always be stopped from within.
"""

import importlib.util
import json
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from typing import IO, Any, cast

from rag_pipeline.errors import PipelineError

_MAIN = "from rag_pipeline.corpus.engines.ray_data import main; main()"
_END_S = 15.0
"""Seconds that Ray may take to end before it is killed."""

Answer = dict[str, Any]


def check_installed() -> None:
    """Raises `PipelineError` where the extra is missing."""
    if importlib.util.find_spec("ray") is None:
        raise PipelineError(
            f"RAG_EMBED_ENGINE=ray: the package ray is not installed ({sys.executable}); "
            "`pip install 'rag-pipeline[ray]'`, or set RAG_EMBED_ENGINE=local"
        )


class RayProcess:
    """Use it as a context: at its end the process is gone, and with it what it had the cluster do."""

    def __init__(self, told: Answer) -> None:
        """`told`: what `ray_data.main` reads, as plain values."""
        self._told = told
        self.cluster = "no cluster yet"
        """What the cluster has, once it said so."""
        self._lines: queue.Queue[Answer | None] = queue.Queue()

    def __enter__(self) -> "RayProcess":
        pipe = subprocess.PIPE
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen([sys.executable, "-c", _MAIN], stdin=pipe, stdout=pipe, stderr=self._errors)
        self._stdin = cast(IO[bytes], self._process.stdin)
        threading.Thread(target=self._read, name="answers of Ray", daemon=True).start()
        with suppress(BrokenPipeError):  # it is over already, and its last words say why
            self._stdin.write(json.dumps(self._told).encode() + b"\n")
            self._stdin.flush()  # stdin stays open: when this process dies, however it dies, Ray reads its end, and ends too
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def next(self, wait_s: float) -> Answer | None:
        """The next answer of a worker; None when there is none yet after `wait_s`.

        Raises `PipelineError` when a worker says what is wrong, or Ray does, or ended before it was told to.
        """
        try:
            answer = self._lines.get(timeout=max(0.0, wait_s))
        except queue.Empty:
            return None
        if answer is None:
            raise PipelineError(f"Ray ended before all was embedded, with {self.cluster}: {self._last_words()}")
        if "cluster" in answer:
            self.cluster = str(answer["cluster"])
            return None
        if error := answer.get("error"):
            raise PipelineError(str(error))
        return answer

    def _read(self) -> None:
        for line in cast(IO[bytes], self._process.stdout):
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return f"exit code {code}, {' / '.join(lines[-3:])[-600:] or 'without a word'}"
