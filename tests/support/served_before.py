"""An office whose second release was asked on a canary channel before it may reach production, and what asked it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from rag_pipeline.gate.policy import read_policy
from rag_pipeline.golden.journal import Judgment
from rag_pipeline.golden.judging import Judging
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.lake import collected
from rag_pipeline.release.promote import Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.served import keep_traffic
from rag_pipeline.settings import load_secrets
from rag_pipeline.traffic.evidence import TrafficEvidence
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.marks import Marks, marks_of
from rag_pipeline.traffic.queue import Queue, draw_queue
from rag_pipeline.traffic.queue_session import in_turn
from rag_pipeline.traffic.rows import MARKED
from tests.support.asked_rows import asked, segment
from tests.support.built_once import BuiltOnce
from tests.support.office import FLOOR, PAGES, Office
from tests.support.small_releases import NOW

AFTER = {"channel": "canary", "hours": 4, "queries": 400, "principals": 3}
SERVING = {"errors_max_percent": 2, "p95_ms": 300}
"""So few that a test writes them in a moment."""

ONLY_HERE = "handbook/one more.md"
"""What the second release has and the first has not."""

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


def chunks(office: Office, release: str) -> dict[str, str]:
    """Document -> the id of its chunk in a release."""
    manifest = read_manifest(office.home.release(release))
    held = collected(contents(office.home.release(release), manifest).select("document_id", "chunk_id"))
    return dict(held.iter_rows())


def paired(office: Office, release: str, *, alike: int = 50, other: int = 12, first: int = 60_000) -> list[str]:
    """Questions that production answered and the release was asked too; in some it finds what production found second first,
    and a document that only it has.

    Ids of those that differ.
    """
    mine, theirs = chunks(office, release), chunks(office, office.first)
    names = ["handbook/cats.md", "handbook/dogs.md"]
    by = marks(office.home)
    asked_too = list(rows(office.home, office.first, channel="production", first=first, questions=alike + other))
    made = []
    for place, one in enumerate(asked_too):
        pair = {name: one[name] for name in MARKED["pairs"] if name in one} | {"pair_id": one["query_id"], "lost_before": 0}
        pair |= {"user_query": one["user_query"], "query_response_hit_ids": [theirs[name] for name in names]}
        pair |= {"shadow_channel": "canary", "shadow_release": release}
        pair["shadow_hit_ids"] = [mine[name] for name in (names if place >= other else [*names[::-1], ONLY_HERE])]
        made.append(by.marked("pairs", pair))
    segment(office.home, asked_too, first)
    segment(office.home, made, first + 1, "pairs")
    for kind in ("queries", "pairs"):
        ingest(office.home, kind, LATER, days=90)
    return [str(one["query_id"]) for one in asked_too[:other]]


def queued(office: Office) -> Queue:
    """The queue, drawn anew: nothing but pairs that differ."""
    settings = office.workspace.settings.model_copy(update={"query_text": "masked"})
    return draw_queue(settings, LATER, {"uniform": 0, "differs": 80, "not_useful": 0, "low": 0, "far": 0})


def judged(office: Office, queue: Queue, relevant: str = "handbook/dogs.md", most: int = 1_000) -> None:
    """A person says of each question that differs which of both documents answers it."""
    for line in in_turn(queue.lines)[:most]:
        for document in ("handbook/cats.md", "handbook/dogs.md", ONLY_HERE):
            grade = 2 * (document == relevant)
            said = Judgment(line, document, grade, "text", "ana", LATER.isoformat(), office.first)
            Judging.open(queue.folder, office.home).judge(said)


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
