"""A home whose traffic is split, sessions of each arm, and a canary whose release is broken while it is open."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from rag_pipeline.canary.arms import Arm
from rag_pipeline.canary.audit import start
from rag_pipeline.canary.split import Split, Wanted, read_split
from rag_pipeline.channels.pointer import serving
from rag_pipeline.door.keys import KeyRing
from rag_pipeline.home import Home
from tests.conftest import Workspace
from tests.support.release_damage import flip_a_bit, vectors_file
from tests.support.replicas import PAGES, Running, point, release_with, replica

QUESTION = {"query": "when does the canteen open", "k": 4}
ONLY_CANARY = "handbook/new.md"


@dataclass
class Trying:
    """Production is split, and a release with one page more answers the part."""

    home: Home
    key: str
    split: Split
    stable: str
    canary: str

    def session(self, arm: Arm, number: int = 0) -> str:
        """The name of a session of an arm, for this key; each number another."""
        who = KeyRing(self.home).principal(self.key, datetime.now(UTC)).id
        names = (f"s{n}" for n in range(100_000))
        mine = (name for name in names if self.split.arm_of(f"{who}\0{name}", datetime.now(UTC)) == arm)
        return next(name for place, name in enumerate(mine) if place == number)

    def ask(self, running: Running, arm: Arm, number: int = 0, **more: Any) -> httpx.Response:
        return running.ask(self.key, QUESTION | {"session": self.session(arm, number)} | more)

    def now(self) -> Split:
        found = read_split(self.home)
        assert found
        return found


def canary_release(home: Home, *, damaged: bool = False) -> str:
    """A release with one page more, which the channel `canary` names; its id."""
    release = release_with(home, PAGES | {"new.md": "# New\n\nA canteen opens at noon."}, minutes=1)
    if damaged:
        flip_a_bit(vectors_file(home.release(release)))
    point(home, release, "canary")
    return release


def trying(workspace: Workspace, key: str, percent: float = 50.0, *, damaged: bool = False) -> Trying:
    """Split the traffic of a home that serves. `key`: of who will ask; `damaged`: the canary's release cannot be opened."""
    home = workspace.home
    stable = serving(home)
    assert stable
    canary = canary_release(home, damaged=damaged)
    wanted = Wanted(channel="production", canary="canary", percent=percent, hours=1, by="tests", why="a page more")
    split = start(home, wanted, datetime.now(UTC))
    return Trying(home, key, split, stable, canary)


@contextmanager
def several(workspace: Workspace, count: int, **variables: Any) -> Iterator[list[Running]]:
    """Replicas side by side, until the block ends."""
    if not count:
        yield []
        return
    with replica(workspace, **variables) as one, several(workspace, count - 1, **variables) as others:
        yield [one, *others]


def break_open(views: set[Path]) -> None:
    """Overwrite the databases of some open copies, as a bad disk would: what is asked of them fails."""
    for view in views:
        for file in view.rglob("*.sqlite3"):
            with file.open("r+b") as out:
                out.write(b"\0" * file.stat().st_size)
