"""No way around what gate.yaml demands of traffic: a release that was asked too little, or failed, and everything that could
make it look otherwise."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rag_pipeline.channels.pointer import read_channel
from rag_pipeline.defs import run
from rag_pipeline.defs.keys import EVALUATION, PRODUCTION
from rag_pipeline.errors import PromotionRefused
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.traffic.evidence_store import files
from rag_pipeline.traffic.ingest import ingest
from tests.conftest import Workspace
from tests.support import gate_bypass
from tests.support.asked_rows import segment, verdict
from tests.support.built_once import BuiltOnce
from tests.support.forged_traffic import MINUTE, anew, append, better, delete, failing, newest, rewritten, stored, update
from tests.support.gate_bypass import Patch
from tests.support.office import PAGES, Office, office
from tests.support.served_before import (
    AFTER,
    LATER,
    SERVING,
    demanding,
    evidence,
    few,
    fingerprint_of,
    marks,
    promoted,
    put,
    row,
    rows,
    tried,
)
from tests.support.small_releases import NOW, release_of

__all__ = ["few", "office", "tried"]

Edit = Callable[[Office, str, Patch], object]


@pytest.fixture(scope="module", autouse=True)
def _tell(request: pytest.FixtureRequest) -> Iterator[None]:
    yield from gate_bypass.tell_how_many(request)


def closed(office: Office, release: str, way: str, reason: str, **request: Any) -> None:
    """Promotion is refused, for this reason among others, and the channel is as it was to the byte."""
    before = office.channel_bytes()
    with pytest.raises(PromotionRefused) as caught:
        promoted(office, release, **{"now": LATER + 2 * MINUTE, **request})
    assert office.channel_bytes() == before, f"{way} moved production"
    assert reason in "; ".join(caught.value.reasons), caught.value.reasons
    assert office.audit_in_order()[-1]["action"] == "refused"
    gate_bypass.TRIED.append(way)


def of_another(office: Office, release: str, _: Patch) -> None:
    """Evidence of the release that serves, put in the place of the other one's."""
    put(office.home, rows(office.home, office.first, first=50_000), 9)
    evidence(office, office.first)
    path = newest(office, office.first)
    for old in files(office.home, fingerprint_of(office, release)):
        old.unlink()
    shutil.copy(path, office.home.evidence_on(fingerprint_of(office, release)) / path.name)


def of_another_key(office: Office, release: str, patch: Patch, *, other: str = "") -> None:
    """Who may evaluate has a key; who has none, or another, seals better evidence."""
    if other:
        patch.setenv("RAG_SEAL_KEY", other)
        rewritten(office, release, better)
    patch.setenv("RAG_SEAL_KEY", "k" * 32)


def relabeled(office: Office, release: str) -> None:
    """Answers of production are said to be the canary's."""
    update(office, {"channel": "'canary'", "release": f"'{release}'"}, f"release = '{office.first}'")
    anew(office, release)


NOT_WRITTEN = "are not as a replica wrote them"
OTHERWISE = "says otherwise than the evidence"
GONE = "are gone from the table of questions, or were changed"

EDITED: dict[str, tuple[Edit, str]] = {
    "no evidence of traffic": (
        lambda o, r, _: [one.unlink() for one in files(o.home, fingerprint_of(o, r))],
        "no evidence of traffic",
    ),
    "evidence of traffic on another release": (of_another, "is about another release"),
    "its JSON edited": (lambda o, r, _: rewritten(o, r, better, sealed=False), "was changed after it was written"),
    "its JSON edited and sealed anew": (lambda o, r, _: rewritten(o, r, better), OTHERWISE),
    "its window moved and sealed anew": (
        lambda o, r, _: rewritten(o, r, lambda one: one.update(until=(NOW + timedelta(hours=4)).isoformat())),
        OTHERWISE,
    ),
    "sealed without the key that is set": (of_another_key, "without RAG_SEAL_KEY"),
    "sealed with another key": (lambda o, r, patch: of_another_key(o, r, patch, other="x" * 32), "another RAG_SEAL_KEY"),
    "dated in the future": (lambda o, r, _: evidence(o, r, LATER + timedelta(hours=3)), "was the clock moved"),
    "damaged": (lambda o, r, _: newest(o, r).write_text("{"), "is damaged"),
    "latency edited": (lambda o, r, _: update(o, {"total_ms": "1.0"}, f"release = '{r}'"), NOT_WRITTEN),
    "latency edited, and evidence made anew": (
        lambda o, r, _: (update(o, {"total_ms": "1.0"}, f"release = '{r}'"), anew(o, r)),
        NOT_WRITTEN,
    ),
    "some rows deleted": (lambda o, r, _: delete(o, f"release = '{r}' and client_id = '{0:016x}'"), OTHERWISE),
    "some rows deleted, and evidence made anew": (
        lambda o, r, _: (delete(o, f"release = '{r}' and client_id = '{0:016x}'"), anew(o, r)),
        GONE,
    ),
    "a day removed": (lambda o, r, _: delete(o, f"day = '{NOW:%Y-%m-%d}'"), OTHERWISE),
    "rows made up": (
        lambda o, r, _: append(o, [row(90_000 + n, NOW + n * MINUTE, release=r, channel="canary") for n in range(200)]),
        NOT_WRITTEN,
    ),
    "rows twice": (lambda o, r, _: append(o, stored(o, r)[:50]), "50 have the id of another"),
    "rows twice, and evidence made anew": (
        lambda o, r, _: (append(o, stored(o, r)[:50]), anew(o, r)),
        "50 have the id of another",
    ),
    "answers of production said to be the canary's": (lambda o, r, _: relabeled(o, r), NOT_WRITTEN),
    "it is not told who asked some": (
        lambda o, r, _: (update(o, {"client_id": "NULL"}, f"release = '{r}' and query_id like '%1'"), anew(o, r)),
        NOT_WRITTEN,
    ),
    "the marks removed": (
        lambda o, r, _: (update(o, {"mark": "NULL"}, f"release = '{r}'"), anew(o, r)),
        NOT_WRITTEN,
    ),
    "limits loosened afterwards": (lambda o, r, _: demanding(o, {"queries": 10}), "demands of traffic has changed"),
    "another channel before it": (lambda o, r, _: demanding(o, {"channel": "staging"}), "about canary before production"),
    "the demand removed afterwards": (lambda o, r, _: demanding(o, None, removed=True), "the policy has changed since"),
    "another salt than the replicas'": (lambda o, r, patch: patch.setenv("RAG_PII_SALT", "another"), "RAG_PII_SALT"),
}
"""What is done to a release that could be promoted, and the reason that is told."""


@pytest.mark.parametrize("way", EDITED)
def test_what_was_served_cannot_be_made_to_look_otherwise(
    way: str, office: Office, tried: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, reason = EDITED[way]
    edit(office, tried, monkeypatch)
    closed(office, tried, way, reason)


def one_principal(office: Office, release: str) -> None:
    """2,000 questions within a minute, all of them different."""
    mine, apart = marks(office.home), timedelta(milliseconds=30)
    some = (row(40_000 + n, NOW + n * apart, release=release, channel="canary") for n in range(2_000))
    put(office.home, [mine.marked("queries", one) for one in some], 5)


def replayed(office: Office, release: str) -> None:
    """The segment of before, under ten other names."""
    same = stored(office, release)
    for number in range(10, 20):
        segment(office.home, same, number)
    assert ingest(office.home, "queries", LATER, days=90).rows == 0


def thumbs(office: Office, release: str) -> None:
    asked = stored(office, release)[0]["query_id"]
    segment(office.home, [verdict(asked, n, feedback_id=f"{n:032x}") for n in range(1_000)], 7, "feedback")
    ingest(office.home, "feedback", LATER, days=90)


def of_another_release(office: Office, release: str) -> None:
    """The canary moved on, and what came after was asked enough."""
    other = release_of(office.home, {**PAGES, "third.md": "# Third\n\nanother"}, now=NOW + timedelta(hours=2)).manifest.id
    put(office.home, rows(office.home, other, first=20_000), 5)


def again(office: Office, release: str, **changes: Any) -> None:
    """As many rows as would be enough, but for something about all of them."""
    put(office.home, rows(office.home, release, first=20_000, **changes), 5)


TOO_LITTLE: dict[str, Callable[[Office, str], object]] = {
    "one principal asks 2,000 times in a minute": one_principal,
    "the same question again and again": lambda o, r: again(o, r, query_hmac="5" * 32),
    "segments replayed under other names": replayed,
    "1,000 thumbs of one key": thumbs,
    "segments that nobody ingested": lambda o, r: segment(o.home, rows(o.home, r, first=20_000), 5),
    "a replica's clock set forward": lambda o, r: again(o, r, since=LATER + timedelta(hours=1)),
    "the canary moved to another release, which was asked": of_another_release,
    "asked on another channel": lambda o, r: again(o, r, channel="staging"),
    "asked of production": lambda o, r: again(o, r, channel="production"),
    "too many questions, refused": lambda o, r: again(o, r, status=503, problem="overloaded"),
}
"""What does not make enough of too few questions."""


@pytest.mark.parametrize("way", TOO_LITTLE)
def test_too_little_is_not_made_enough(way: str, office: Office, few: str) -> None:
    TOO_LITTLE[way](office, few)
    anew(office, few)
    closed(office, few, way, "too little was served")


FAILED = 30


@pytest.fixture
def failed(office: Office, built_once: BuiltOnce, few: str) -> str:
    """A release of which some questions failed."""

    def build() -> str:
        put(office.home, [*rows(office.home, few, first=20_000), *failing(office, few, FAILED, NOW, 3 * MINUTE)], 5)
        evidence(office, few)
        return few

    return built_once.state(office.workspace.root, "failed", build)


FAILURES: dict[str, tuple[Callable[[Office, str], object], str]] = {
    "errors, as they are": (lambda o, r: None, "errors: 30 of"),
    "errors deleted": (lambda o, r: delete(o, "status = 500"), OTHERWISE),
    "errors deleted, and evidence made anew": (lambda o, r: (delete(o, "status = 500"), anew(o, r)), GONE),
    "errors made answers": (
        lambda o, r: (update(o, {"status": "200", "problem": "''"}, "status = 500"), anew(o, r)),
        NOT_WRITTEN,
    ),
    "asked again until it was answered": (
        lambda o, r: (put(o.home, rows(o.home, r, first=30_000, questions=FAILED, hours=1), 8), anew(o, r)),
        "errors: 30 of",
    ),
    "good answers of one principal beside them": (lambda o, r: (one_principal(o, r), anew(o, r)), "errors: 30 of"),
}
"""What does not make failures fewer."""


@pytest.mark.parametrize("way", FAILURES)
def test_failures_stay(way: str, office: Office, failed: str) -> None:
    edit, reason = FAILURES[way]
    edit(office, failed)
    closed(office, failed, way, reason)


def test_the_table_counts_though_the_evidence_of_before_was_good(office: Office, tried: str) -> None:
    """Newer evidence that is removed leaves the older one; what came since is asked of the table all the same."""
    put(office.home, failing(office, tried, 40, NOW + timedelta(hours=5), timedelta(seconds=6)), 9)
    anew(office, tried)
    newest(office, tried).unlink()
    closed(office, tried, "bad evidence removed", "since the evidence of traffic was made: errors")


def test_old_evidence_does_not_count(office: Office, tried: str) -> None:
    now = LATER + timedelta(hours=25)
    office.evaluate(tried, now)
    closed(office, tried, "old evidence of traffic", "the evidence of traffic is 25.0 h old", now=now)


def test_a_rollback_is_no_way_to_a_release_that_never_served(office: Office, few: str) -> None:
    evidence(office, few)
    closed(office, few, "rag rollback --to", "too little was served", withdraw=True, named=True)
    closed(office, few, "rag promote ID", "too little was served", named=True)


def test_what_serves_already_or_did_once_by_this_gate_needs_no_traffic(office: Office, tried: str) -> None:
    """Else nobody could go back from a release that turned out bad."""
    assert promoted(office, tried).moved
    third = release_of(office.home, {**PAGES, "third.md": "# Third\n\nanother"}, now=NOW + timedelta(hours=2)).manifest.id
    office.evaluate(third, LATER)
    assert promoted(office, third, override=True).channel.action == "overridden"
    for old in files(office.home, fingerprint_of(office, tried)):
        old.unlink()
    office.evaluate(tried, LATER)
    back = promoted(office, tried, withdraw=True, named=True)
    assert (back.moved, back.verdict.passed) == (True, True)
    assert read_channel(office.home, "production").release == tried  # type: ignore[union-attr]


@pytest.mark.slow  # two pipelines are refreshed before it, once for all tests of ways around the gate
@pytest.mark.parametrize("door", ["the UI", "rag promote"])
def test_the_doors_of_dagster_open_only_to_what_was_asked(ready: Workspace, door: str) -> None:
    release = gate_bypass.candidate(ready).release
    gate_bypass.demand(ready, channels=["canary"])
    gate_bypass.demand(ready, after=AFTER, serving=SERVING)
    doors: dict[str, gate_bypass.Door] = {
        "the UI": lambda at: (gate_bypass.ui(at, EVALUATION), gate_bypass.ui(at, PRODUCTION)),
        "rag promote": lambda at: run.promote(at.settings, PromotionRequest(release, by="ada", why="now")),
    }
    gate_bypass.closed(ready, f"{door}, without traffic", doors[door], "too little was served: canary answered 0 questions")
    now = datetime.now(UTC)
    segment(ready.home, rows(ready.home, release, since=now - timedelta(hours=6)), 1)
    ingest(ready.home, "queries", now, days=90)
    gate_bypass.opened(ready, doors[door])
