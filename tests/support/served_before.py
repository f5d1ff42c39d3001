"""An office whose second release was asked on a canary channel before it may reach production, and what asked it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from rag_pipeline.gate.policy import read_policy
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.promote import Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.served import keep_traffic
from rag_pipeline.settings import load_secrets
from rag_pipeline.traffic.evidence import TrafficEvidence
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.marks import Marks, marks_of
from tests.support.asked_rows import asked, segment
from tests.support.built_once import BuiltOnce
from tests.support.office import FLOOR, PAGES, Office
from tests.support.small_releases import NOW

AFTER = {"channel": "canary", "hours": 4, "queries": 400, "principals": 3}
SERVING = {"errors_max_percent": 2, "p95_ms": 300}
"""So few that a test writes them in a moment."""

LATER = NOW + timedelta(hours=6)
"""When a person wants it in production: it was asked from `NOW` on."""


def demanding(office: Office, after: dict[str, Any] | None = None, *, removed: bool = False, **serving: Any) -> None:
    """gate.yaml demands traffic on `canary` before production; or does so no more."""
    plain = {"golden_sets": {"animals": FLOOR}}
    production = {**plain, "after": {**AFTER, **(after or {})}, "serving": {**SERVING, **serving}}
    content = {"channels": {"canary": plain, "staging": plain, "production": plain if removed else production}}
    (office.workspace.root / "evals" / "gate.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def marks(home: Home) -> Marks:
    return marks_of(home, load_secrets().salt)


def rows(
    home: Home, release: str, *, questions: int = 520, channel: str = "canary", first: int = 0, **changes: Any
) -> Iterator[dict[str, Any]]:
    """Questions in even steps over some hours, each of the next of six principals, as a replica marks them.

    `changes`: of every row, and `hours` or `since` of all of them.
    """
    mine, hours, since = marks(home), changes.pop("hours", 5), changes.pop("since", NOW)
    for number in range(first, first + questions):
        at = since + timedelta(hours=hours) * ((number - first) / questions)
        made = row(number, at, release=release, channel=channel, client_id=f"{number % 6:016x}", **changes)
        yield mine.marked("queries", made)


def row(number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    """One answered question with a chunk in its answer."""
    found = {"query_response_hit_ids": ["c" * 32], "scores": [0.5]}
    return asked(number, timestamp=at, **{**found, **changes})


def put(home: Home, some: Iterator[dict[str, Any]] | list[dict[str, Any]], number: int = 1) -> None:
    """Have rows in the table, as a replica and an ingestion bring them there."""
    segment(home, some, number)
    ingest(home, "queries", LATER, days=90)


def evidence(office: Office, release: str, now: datetime = LATER) -> TrafficEvidence:
    """Make evidence of traffic for production."""
    policy = read_policy(office.workspace.settings.evals)
    return keep_traffic(office.home, policy, read_manifest(office.home.release(release)), now, "run")["production"]


def promoted(office: Office, release: str, now: datetime = LATER, **request: Any) -> Promotion:
    said = {"by": "ada", "why": "tried", "channel": "production", **request}
    return promote(office.inputs(now), PromotionRequest(release, **said), run_id="run")


def fingerprint_of(office: Office, release: str) -> str:
    return read_manifest(office.home.release(release)).fingerprint


@pytest.fixture
def few(office: Office, built_once: BuiltOnce) -> str:
    """A second release on the canary channel, which was asked a little; production was asked enough."""

    def build() -> str:
        demanding(office)
        office.evaluate(office.first)
        promote(office.inputs(), PromotionRequest(office.first, by="t", why="first", override=True), run_id="run")
        made = office.second(PAGES)
        office.evaluate(made, NOW + timedelta(hours=1))
        at = office.inputs(NOW + timedelta(hours=1))
        promote(at, PromotionRequest(made, by="t", why="try", channel="canary"), run_id="run")
        beside = rows(office.home, office.first, channel="production", first=10_000)
        put(office.home, [*rows(office.home, made, questions=100), *beside])
        return made

    return built_once.state(office.workspace.root, "few", build)


@pytest.fixture
def tried(office: Office, few: str, built_once: BuiltOnce) -> str:
    """A second release that was asked enough on the canary channel, with all its evidence: it may be promoted."""

    def build() -> str:
        put(office.home, rows(office.home, few, first=1_000), 2)
        evidence(office, few)
        return few

    return built_once.state(office.workspace.root, "tried", build)
