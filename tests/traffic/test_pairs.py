"""Shadow pairs: which differ, what is shown of them, and what became of those that people judged."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from rag_pipeline.errors import PromotionRefused
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.gate.traffic import levels
from rag_pipeline.golden.judging import Judging
from rag_pipeline.golden.pool import Pooled
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.traffic.evidence import TrafficEvidence
from rag_pipeline.traffic.pairs import differs, pooled_with
from rag_pipeline.traffic.pairs_judged import Pair, PairsEvidence, settled
from rag_pipeline.traffic.queue import Queue
from rag_pipeline.traffic.queue_session import QueueSession
from rag_pipeline.traffic.rows import table
from rag_pipeline.traffic.strata import order
from tests.support.asked_rows import segment, verdict
from tests.support.office import Office, office
from tests.support.served_before import LATER, ONLY_HERE, demanding, evidence, few, judged, paired, promoted, queued, tried
from tests.support.small_releases import SmallModel

__all__ = ["few", "office", "tried"]

MINUTE = timedelta(minutes=1)
WANTED = {"judged": 10, "lost_max_percent": 10}


def told(office: Office, release: str) -> PairsEvidence:
    found = evidence(office, release).pairs
    assert found is not None
    return found


def speaks(office: Office, one: TrafficEvidence) -> list[str]:
    """What is said of shadow pairs."""
    found = levels(one, read_policy(office.workspace.settings.evals), "production", alone=False)
    return [reason.message for reason in found if "pairs" in reason.message]


@pytest.mark.parametrize(
    ("mine", "theirs", "said", "verdict"),
    [
        ("ab", "ba", {"a": 0, "b": 2}, -1),
        ("ab", "ba", {"a": 2, "b": 0}, 1),
        ("ab", "ba", {"a": 1, "b": 1}, 0),
        ("c", "a", {"a": 1, "c": 0}, -1),
        ("c", "", {"c": 2}, 1),
        ("", "c", {"c": 0}, 0),
        ("abc", "acb", {"a": 1, "b": 0, "c": 1}, 0),
        ("ba", "ab", {"a": 1, "b": 2}, 0),
    ],
)
def test_a_pair_is_lost_where_the_first_answer_comes_later_and_the_list_is_worth_less(
    mine: str, theirs: str, said: dict[str, int], verdict: int
) -> None:
    assert Pair("q", differs=True, mine=tuple(mine), theirs=tuple(theirs), said=said).verdict == verdict
    assert Pair("q", differs=False, mine=tuple(mine), theirs=tuple(theirs), said=said).verdict == 0


def test_what_differs_is_told_by_the_first_three() -> None:
    assert differs("abc", "acb") and differs("ab", "abc") and differs("", "a")
    assert not differs("abcd", "abcx") and not differs("", "")


def test_the_sample_ends_at_the_first_that_nobody_judged() -> None:
    pairs = [Pair(f"q{n}", n % 2 == 0, ("a",), ("b",), {"a": 1, "b": 0} if n != 6 else {}) for n in range(30)]
    open_at = order("q6")
    assert {one.pair_id for one in settled(pairs)} == {one.pair_id for one in pairs if order(one.pair_id) < open_at}


@pytest.fixture
def drawn(office: Office, tried: str) -> tuple[str, Queue]:
    """A release whose pairs are demanded, with a dozen of sixty-two that differ, in the queue."""
    demanding(office, shadow_pairs=WANTED)
    ids = paired(office, tried)
    queue = queued(office)
    assert {line.query_id for line in queue.lines if line.stratum == "differs"} == set(ids)
    return tried, queue


def test_both_lists_are_judged_together_without_a_sign_of_whose_they_are(office: Office, drawn: tuple[str, Queue]) -> None:
    line = drawn[1].lines[0]
    shown = pooled_with(office.home, line, [], ())
    assert sorted(one.document for one in shown) == ["handbook/cats.md", "handbook/dogs.md", ONLY_HERE]
    assert shown == pooled_with(office.home, line, [], ()), "always in the same order"
    assert [one.document for one in pooled_with(office.home, line, [], {"handbook/cats.md", ONLY_HERE})] == [
        "handbook/dogs.md"
    ]
    known = [Pooled(line.query_id, "handbook/cats.md", shown[0].passages)]
    assert len(pooled_with(office.home, line, known, ())) == 3, "a document once"
    firsts = {pooled_with(office.home, one, [], ())[0].document for one in drawn[1].lines}
    assert len(firsts) == 3, "what one release finds first is not always shown first"


def test_a_session_asks_for_what_only_the_other_release_has(office: Office, drawn: tuple[str, Queue]) -> None:
    judging, model = Judging.open(drawn[1].folder, office.home), SmallModel()
    with open_release(office.home, office.first, ["hybrid"]) as opened:
        session = QueueSession.of(judging, opened.readable_by(("all",)), model.load, "ana", drawn[1].lines)
        shown = session.pooled(session.queries)
        assert all(ONLY_HERE in {one.document for one in found} for found in shown.values())
        session.hidden = {ONLY_HERE}
        assert ONLY_HERE not in {one.document for found in session.pooled(session.queries).values() for one in found}


def test_judged_pairs_that_are_won_let_a_release_pass(office: Office, drawn: tuple[str, Queue]) -> None:
    release, queue = drawn
    assert speaks(office, evidence(office, release))
    judged(office, queue)
    one = told(office, release)
    assert (one.sampled, one.differing, one.settled, one.judged, one.lost, one.won) == (62, 12, 62, 12, 0, 12)
    assert (one.edited, one.twice, one.beside) == (0, 0, [office.first])
    office.evaluate(release, LATER)
    evidence(office, release, LATER + MINUTE)
    assert promoted(office, release, LATER + MINUTE).moved


def test_pairs_that_are_lost_are_counted_among_all_that_were_sampled(office: Office, drawn: tuple[str, Queue]) -> None:
    release, queue = drawn
    judged(office, queue, "handbook/cats.md")
    assert (told(office, release).lost, told(office, release).won) == (12, 0)
    [says] = speaks(office, evidence(office, release))
    assert says.startswith("shadow pairs lost (and 0 won): 12 of 62 that count; that may be 2")


def test_half_judged_is_told_with_what_to_do(office: Office, drawn: tuple[str, Queue]) -> None:
    release, queue = drawn
    judged(office, queue, most=5)
    one = told(office, release)
    assert one.judged == 5 and one.settled < 62
    assert "5 shadow pairs that differ are judged, of 12; 10 should be" in speaks(office, evidence(office, release))[0]


def test_where_few_differ_all_of_them_are_enough(office: Office, tried: str) -> None:
    demanding(office, shadow_pairs=WANTED)
    paired(office, tried, other=3, alike=57)
    judged(office, queued(office))
    assert (told(office, tried).judged, speaks(office, evidence(office, tried))) == (3, [])


def edited_hits(office: Office, queue: Queue) -> None:
    found = DeltaTable(table(office.home, "pairs").path).update(updates={"shadow_hit_ids": "query_response_hit_ids"})
    assert found["num_updated_rows"]


def twice(office: Office, queue: Queue) -> None:
    pairs = table(office.home, "pairs")
    pairs.append(pairs.scan().collect().head(20))


def of_others(office: Office, queue: Queue) -> None:
    """Those of another release, which were all won."""
    found = DeltaTable(table(office.home, "pairs").path).update(updates={"shadow_release": "'20260301-040000-aaaaaaaa'"})
    assert found["num_updated_rows"]


def thumbs(office: Office, queue: Queue) -> None:
    said = [verdict(line.query_id, n, feedback_id=f"{n:032x}") for n in range(90) for line in queue.lines]
    segment(office.home, said, 7, "feedback")


def edited_queue(office: Office, queue: Queue) -> None:
    path = queue.folder / "queries.jsonl"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[1:]) + "\n", encoding="utf-8")


def qrels_by_hand(office: Office, queue: Queue) -> None:
    """Grades that nobody gave stand in the golden set, and not in the journal."""
    lines = [f"{line.query_id}\thandbook/{name}.md\t2" for line in queue.lines for name in ("cats", "dogs", "one more")]
    path: Path = queue.folder / "qrels" / "test.tsv"
    path.write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n", encoding="utf-8")


WAYS = {
    "pairs edited": (edited_hits, "are not as a replica wrote them"),
    "pairs twice": (twice, "are not as a replica wrote them"),
    "pairs said to be of another release": (of_others, "0 shadow pairs that differ are judged, of 0; 10 should be"),
    "thumbs": (thumbs, "0 shadow pairs that differ are judged, of 12; 10 should be"),
    "questions taken out of the queue": (edited_queue, "is not as it was drawn"),
    "grades that nobody gave": (qrels_by_hand, "0 shadow pairs that differ are judged, of 12; 10 should be"),
}
"""What does not make judged pairs of others, or better ones."""


@pytest.mark.parametrize("way", WAYS)
def test_pairs_cannot_be_made_to_look_judged(way: str, office: Office, drawn: tuple[str, Queue]) -> None:
    edit, reason = WAYS[way]
    edit(office, drawn[1])
    assert reason in speaks(office, evidence(office, drawn[0]))[0]


def test_judgments_that_were_edited_afterwards_are_told(office: Office, drawn: tuple[str, Queue]) -> None:
    release, queue = drawn
    judged(office, queue, "handbook/cats.md")
    office.evaluate(release, LATER)
    evidence(office, release, LATER + MINUTE)
    path = queue.folder / "judgments.jsonl"
    said = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(one | {"grade": 2 - one["grade"]}) + "\n" for one in said), encoding="utf-8")
    with pytest.raises(PromotionRefused, match="says otherwise than the evidence of traffic"):
        promoted(office, release, LATER + MINUTE)
