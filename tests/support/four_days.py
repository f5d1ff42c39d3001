"""Four releases, a day apart, and what a collection leaves of them."""

from datetime import timedelta

import pytest

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, all_manifests
from rag_pipeline.release.retention import Collected, collect
from tests.support.built_once import BuiltOnce
from tests.support.small_releases import NOW, SMALL, SmallModel, release_of


def built(home: Home, day: int, model: SmallModel = SMALL) -> Manifest:
    """The release of a day: a page that stays, and one of the day alone."""
    pages = {"stays.md": "# Stays\n\nthis page stays", "today.md": f"# Today\n\nnews of day {day}"}
    return release_of(home, pages, now=NOW + timedelta(days=day), model=model).manifest


@pytest.fixture
def home(built_once: BuiltOnce) -> Home:
    """Four releases, a day apart."""
    home = Home(built_once.empty("days"))

    def build() -> None:
        for day in range(4):
            built(home, day)

    built_once.state(home.root, "four", build)
    return home


def oldest_first(home: Home) -> list[Manifest]:
    return all_manifests(home.releases)[::-1]


def point(home: Home, name: str, manifest: Manifest) -> None:
    """Move a channel without a gate: retention looks at where it points, not at how it came there."""
    before = read_channel(home, name)
    target = Channel(
        release=manifest.id,
        fingerprint=manifest.fingerprint,
        previous=before.release if before else None,
        sequence=before.sequence + 1 if before else 1,
        at=NOW,
        by="tests",
        why="because",
        run_id="run",
        action="overridden",
    )
    move_and_record(home, name, target, expected=before)


def clean(home: Home, keep: int = 1, days: int = 30, *, dry_run: bool = False) -> Collected:
    return collect(home, keep=keep, days=days, model=SMALL.fingerprint, dry_run=dry_run)


def left(home: Home) -> list[str]:
    """Every directory that lies where the releases lie, whatever it is called."""
    return sorted(path.name for path in home.releases.iterdir() if path.is_dir())
