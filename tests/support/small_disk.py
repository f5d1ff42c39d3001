"""A small disk of one's own, in a user and mount namespace: to be filled, and mounted read-only, for real.

    unshare -rm python -m tests.support.small_disk FOLDER MEGABYTES

mounts a tmpfs at FOLDER, seen by nobody else, then does what standard input tells it, a JSON object a line, and answers
each with one. `rag` runs in a fork of this process, because importing it all takes longer than most commands.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.killed_refresh import Killer, Point

BALLAST = "ballast"


def fill(disk: Path, leave: int) -> int:
    """Leave so many bytes free; returns how many are."""
    with (disk / BALLAST).open("ab", buffering=0) as file:
        try:
            while (free := room(disk) - leave) > 0:
                file.write(bytes(min(free, 1 << 20)))
        except OSError:  # the last block
            return room(disk)
    return room(disk)


def free(disk: Path) -> int:
    (disk / BALLAST).unlink(missing_ok=True)
    return room(disk)


def room(disk: Path) -> int:
    told = os.statvfs(disk)
    return told.f_bavail * told.f_frsize


@dataclass
class Filler(Killer):
    """Fills the disk at the first point whose name starts like this, instead of killing."""

    disk: Path = Path()
    moment: str = ""
    done: bool = False

    def reached(self, what: str, path: str = "") -> Point:
        point = super().reached(what, path)
        if not self.done and f"{point.step} {point.name}".startswith(self.moment):
            self.done = True
            fill(self.disk, 0)
        return point


def rag(disk: Path, words: list[str], environment: dict[str, str], fill_at: str) -> dict[str, Any]:
    """`rag WORDS` in a fork; with `fill_at` the disk gets full at that moment."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os._exit(_in_this_process(disk, words, environment, fill_at))
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "out": out.read().decode(), "err": err.read().decode()}


def _in_this_process(disk: Path, words: list[str], environment: dict[str, str], fill_at: str) -> int:
    from rag_pipeline.cli import main

    os.environ.pop("DAGSTER_HOME", None)
    os.environ.update(environment)
    sys.argv = ["rag", *words]
    if fill_at:
        home = environment["RAG_HOME"]
        Filler(home, environment.get("DAGSTER_HOME", f"{home}/dagster"), disk=disk, moment=fill_at).watch()
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def execute(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Any program, started the ordinary way."""
    own = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    done = subprocess.run(words, env=own | environment, capture_output=True, text=True, timeout=300, check=False)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def main() -> None:
    disk = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[2]}m", "none", str(disk)], check=True)
    sys.stdout.write('"mounted"\n')
    sys.stdout.flush()
    import chromadb  # noqa: F401
    import sentence_transformers  # noqa: F401

    import rag_pipeline.defs.run  # noqa: F401

    for line in sys.stdin:
        told = json.loads(line)
        match told.pop("do"):
            case "rag":
                answer: Any = rag(disk, **told)
            case "execute":
                answer = execute(**told)
            case "fill":
                answer = fill(disk, **told)
            case "free":
                answer = free(disk)
            case "room":
                answer = room(disk)
            case "read":
                path = disk / told["path"]
                answer = path.read_text(encoding="utf-8") if path.is_file() else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
