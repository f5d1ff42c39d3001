"""A refresh on a home in a bucket that dies by kill -9 before or after one of the operations that change an object.

    python -m tests.support.killed_in_bucket      # one refresh for every job on standard input, each in a fork

Imports everything once, which takes longer than a refresh.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

CHANGES = ("create", "swap", "put", "remove")
_LONGEST_S = 300


class Killer:
    """Counts the moments before and after each change of an object, and ends the process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self._kill_at, self._mutex = kill_at, threading.Lock()
        self.moments: list[str] = []

    def watch(self) -> None:
        from rag_pipeline.storage.objects import StoredObjects

        for name in CHANGES:
            setattr(StoredObjects, name, self._around(name, getattr(StoredObjects, name)))

    def _around(self, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(objects: Any, key: Any, *more: Any) -> Any:
            self._reached(f"before {name} {key}")
            done = change(objects, key, *more)
            self._reached(f"after {name} {key}")
            return done

        return changed

    def _reached(self, what: str) -> None:
        with self._mutex:
            self.moments.append(what)
            if len(self.moments) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def _refresh(job: dict[str, Any]) -> None:
    from rag_pipeline.defs.run import refresh
    from rag_pipeline.process import prepare
    from rag_pipeline.settings import load_settings

    signal.alarm(_LONGEST_S)
    os.environ |= job["environment"]
    os.dup2(os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    prepare()
    killer = Killer(job["kill_at"])
    killer.watch()
    ran = refresh(load_settings())
    with open(job["log"] + ".json", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump({"success": ran.success, "errors": list(ran.errors), "moments": killer.moments}, file)


def main() -> None:
    import chromadb  # noqa: F401
    import obstore  # noqa: F401
    import psycopg  # noqa: F401
    import sentence_transformers  # noqa: F401

    import rag_pipeline.defs.run
    import rag_pipeline.storage.attach  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _refresh(json.loads(line))
                os._exit(0)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
                os._exit(1)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
