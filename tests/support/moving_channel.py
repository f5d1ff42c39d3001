"""Releases whose texts carry the number of their release, and a channel that moves between them by force."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from tests.support.readers import BY_FORCE
from tests.support.small_releases import NOW


@dataclass
class Town:
    """A home with releases, of which `move` has production name one."""

    home: Home
    releases: list[str]
    fingerprints: list[str] = field(default_factory=list)
    moves: int = 0

    def __post_init__(self) -> None:
        self.fingerprints = [read_manifest(self.home.release(release)).fingerprint for release in self.releases]

    def move(self, number: int) -> str:
        release = self.releases[number]
        before = read_channel(self.home, "production")
        self.moves += 1
        fields = {
            "release": release,
            "fingerprint": self.fingerprints[number],
            "previous": before.release if before else None,
            "sequence": self.moves,
            "at": NOW + timedelta(hours=self.moves),
            "by": "tests",
            "why": "x",
            "run_id": "r",
            **BY_FORCE,
        }
        move_and_record(self.home, "production", Channel.model_validate(fields), expected=before)
        return release


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for what another thread does; half a minute of a busy machine is no failure."""
    for _ in range(3_000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail(f"never came true: {what}")


def pointing(release: str, after: Channel | None = None) -> Channel:
    return Channel(
        release=release,
        fingerprint=f"fingerprint of {release}",
        previous=after.release if after else None,
        sequence=(after.sequence if after else 0) + 1,
        at=NOW + timedelta(days=after.sequence if after else 0),
        by="tests",
        why="because",
        run_id="run",
        action="overridden",
    )
