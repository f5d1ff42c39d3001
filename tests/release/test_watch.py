"""Production watched between promotions: what made it worse without a release is named, and the way back is a gate too."""

import json
from datetime import timedelta

import pytest

from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.evaluate.evidence import Evidence, LatencyEvidence
from rag_pipeline.evaluate.evidence_store import at_promotion
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.release.promote import promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.watch import Degradation, WentBack, go_back, look, rot
from tests.conftest import files_contract
from tests.support.built_once import BuiltOnce
from tests.support.office import FLOOR, PAGES, Office
from tests.support.small_releases import NOW, release_of, store_documents

SLOW = (Degradation("slower queries", "latency p95 is 900 ms"),)
STALE = Degradation("stale sources", "handbook is 49.0 h old")
WITHOUT_DOGS = {"cats.md": PAGES["cats.md"]}


def production(office: Office) -> Channel:
    channel = read_channel(office.home, "production")
    assert channel is not None
    return channel


def promoted_on(office: Office) -> Evidence:
    evidence = at_promotion(office.home, production(office).fingerprint, production(office).evidence)
    assert evidence is not None
    return evidence


def found(office: Office, now: Evidence, hours: float = 0) -> list[tuple[str, str]]:
    rots = rot(look(office.inputs(NOW + timedelta(hours=hours)), "production", production(office), now))
    return [(one.what, one.says) for one in rots]


def times(evidence: Evidence, factor: float, concurrency: int = 1) -> Evidence:
    """The same evidence, with so many times the latency."""
    [before] = evidence.latency
    slower = LatencyEvidence(queries=2, concurrency=concurrency, p50_ms=1.0, p95_ms=factor * before.p95_ms)
    return evidence.model_copy(update={"latency": [slower]})


@pytest.fixture
def served(office: Office, built_once: BuiltOnce) -> Office:
    """The office, with its release in production and judgments that may die without a refusal."""

    def serve() -> None:
        office.workspace.policy({"animals": FLOOR | {"dead_judgments_max_percent": 100}})
        office.serve(office.first)

    built_once.state(office.workspace.root, "served", serve)
    return office


def test_production_as_it_was_promoted_has_nothing_wrong(served: Office) -> None:
    assert found(served, promoted_on(served), hours=48) == []


def test_sources_past_their_sla_or_never_loaded_are_stale(served: Office) -> None:
    served.workspace.contract("wiki", files_contract(served.workspace.pages(PAGES, "wiki"), id="wiki"))
    assert found(served, promoted_on(served), hours=49) == [
        ("stale sources", "handbook is 49.0 h old, its contract allows 48 h"),
        ("stale sources", "wiki was never loaded"),
    ]


def test_queries_are_slower_beyond_the_factor_with_as_many_users_at_a_time(served: Office) -> None:
    then = promoted_on(served)
    assert found(served, times(then, 3.0)) == []
    [(what, says)] = found(served, times(then, 3.01))
    assert what == "slower queries"
    assert f"with 1 at a time; it was {then.latency[0].p95_ms:g} ms when promoted, and 3 times that is allowed" in says
    assert found(served, times(then, 9.0, concurrency=2)) == [], "nobody measured two users when it was promoted"


@pytest.mark.parametrize(("factor", "slower"), [(None, False), (1.5, True)])
def test_how_much_slower_is_too_slow_is_said_in_the_policy(served: Office, factor: float | None, slower: bool) -> None:
    served.workspace.policy({"animals": FLOOR}, watch={"slower_factor": factor})
    assert bool(found(served, times(promoted_on(served), 1.6))) is slower


def test_an_answer_whose_document_left_the_sources_has_vanished(served: Office) -> None:
    store_documents(served.home, "handbook", WITHOUT_DOGS)
    now = served.evaluate(served.first)
    says = "animals: 1 of 2 judged answers are gone, first handbook/dogs.md (dead), query q1"
    assert found(served, now.model_copy(update={"latency": []})) == [("vanished answers", says)]
    served.workspace.policy({"animals": FLOOR}, watch={"vanished_max_percent": 50})
    assert found(served, now.model_copy(update={"latency": []})) == [], "as much as the policy allows"


def test_an_answer_known_to_be_gone_at_promotion_has_not_vanished_since(office: Office) -> None:
    office.workspace.policy({"animals": FLOOR | {"dead_judgments_max_percent": 50}})
    store_documents(office.home, "handbook", WITHOUT_DOGS)
    office.serve(office.first)
    assert promoted_on(office).golden_sets["animals"].unresolved
    assert found(office, promoted_on(office)) == []


def test_a_golden_set_that_was_edited_since_says_nothing_on_what_vanished(served: Office) -> None:
    """A mistake in a golden set must not take production back."""
    served.workspace.golden("animals", {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dgos.md"]})
    now = served.evaluate(served.first)
    assert now.golden_sets["animals"].unresolved
    assert found(served, now.model_copy(update={"latency": []})) == []


def test_where_nobody_knows_how_it_was_only_sources_can_be_stale(served: Office) -> None:
    [file] = served.home.evidence.rglob("*.json")
    now, content = promoted_on(served), json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | {"mode": "lexical"}), encoding="utf-8")
    assert at_promotion(served.home, production(served).fingerprint, production(served).evidence) is None
    assert [what for what, _ in found(served, times(now, 9.0), hours=49)] == ["stale sources"]


@pytest.fixture
def two(served: Office, built_once: BuiltOnce) -> tuple[Office, str]:
    """Two releases, promoted one after the other; the second has a page more."""

    def serve_second() -> str:
        second = served.second(PAGES)
        served.serve(second, NOW + timedelta(hours=1))
        return second

    return served, built_once.state(served.workspace.root, "served twice", serve_second)


def back(office: Office, rots: tuple[Degradation, ...] = SLOW, channel: Channel | None = None) -> WentBack:
    now = NOW + timedelta(hours=2)
    return go_back(office.inputs(now), office.evaluation(now), "production", channel or production(office), rots, "watch")


def stayed(office: Office, went: WentBack, release: str, withdrawn: int = 0) -> None:
    assert went.promotion is None
    assert went.says.startswith("production stays as it is: ")
    assert (production(office).release, len(production(office).withdrawn)) == (release, withdrawn)


def test_it_goes_back_to_the_release_before_and_the_one_it_left_is_withdrawn(two: tuple[Office, str]) -> None:
    office, second = two
    went = back(office)
    assert went == WentBack(went.promotion, f"went back to {office.first}")
    assert went.promotion is not None and went.promotion.verdict.passed
    channel = production(office)
    assert (channel.release, channel.previous, channel.sequence) == (office.first, second, 3)
    assert (channel.by, channel.why) == ("watch", "production got worse: latency p95 is 900 ms")
    assert list(channel.withdrawn) == [read_manifest(office.home.release(second)).fingerprint]
    assert promoted_on(office).compared_with == second, "it was measured beside what it takes over from"
    office.evaluate(second, NOW + timedelta(hours=3))
    withdrawn, held = office.refused(second, NOW + timedelta(hours=3)).reasons
    assert "rolled back by watch" in withdrawn
    assert held.startswith("held since 2026-03-01 04:00 UTC by watch (production got worse: latency p95 is 900 ms)")
    went = back(office, channel=production(office))
    stayed(office, went, office.first, withdrawn=1)
    assert "held since" in went.says, "and it does not move on by itself either"


def test_it_stays_where_the_release_before_does_not_pass_today(two: tuple[Office, str]) -> None:
    office, second = two
    office.workspace.golden("animals", {"one more": ["handbook/one more.md"]})
    went = back(office)
    stayed(office, went, second)
    assert "animals: nDCG@10 is 0.0000, below its floor of 0.9" in went.says
    assert office.audit()[-1]["action"] == "refused"


def test_it_stays_where_there_is_nothing_to_go_back_to(served: Office) -> None:
    went = back(served)
    stayed(served, went, served.first)
    assert "there is nothing to go back to" in went.says


def test_stale_sources_alone_lead_nowhere_for_no_release_before_is_fresher(two: tuple[Office, str]) -> None:
    office, second = two
    stayed(office, back(office, (STALE,)), second)
    assert back(office, (STALE, *SLOW)).promotion is not None
    assert production(office).why == "production got worse: latency p95 is 900 ms"


def test_it_stays_where_somebody_else_moved_the_channel_in_the_meantime(two: tuple[Office, str]) -> None:
    office, _ = two
    seen = production(office)
    third = release_of(office.home, PAGES | {"third.md": "# Third\n\npage"}, now=NOW + timedelta(hours=2)).manifest.id
    office.serve(third, NOW + timedelta(hours=2))
    went = back(office, channel=seen)
    stayed(office, went, third)
    assert f"channel production was moved to {third} by tests in the meantime; decide again" in went.says


def test_it_does_not_go_back_to_what_was_rolled_back_before(two: tuple[Office, str]) -> None:
    office, second = two
    later = NOW + timedelta(hours=2)
    office.evaluate(office.first, later)
    promote(
        office.inputs(later), PromotionRequest(office.first, by="ana", why="wrong", named=True, withdraw=True), run_id="r"
    )
    went = back(office)
    assert went.promotion is None
    assert production(office).release == office.first != second
