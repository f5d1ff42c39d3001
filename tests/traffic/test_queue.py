"""From questions of production to golden sets: drawn, judged at the terminal, written, and measured like any other set."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.evaluate.evaluate import Evaluation, evaluate_release
from rag_pipeline.golden.dialogue import talk
from rag_pipeline.golden.hygiene import check_set
from rag_pipeline.golden.judging import Judging
from rag_pipeline.golden.read import read_golden_set, read_golden_sets
from rag_pipeline.golden.words import fold
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.terminal import Printer
from rag_pipeline.traffic.agreement import seconds, wants_a_second
from rag_pipeline.traffic.judged import Judged, write_sets
from rag_pipeline.traffic.queue import QUERIES, Queue, read_queue
from rag_pipeline.traffic.queue_session import QueueSession, firsts
from rag_pipeline.traffic.strata import order
from tests.conftest import Workspace
from tests.support.queued import QUESTIONS, drawn, settings_of, was_asked, was_no_use
from tests.support.small_releases import NOW, real_encoder, real_model

RIGHT = {"holiday": "leave.md", "plane": "travel.md", "train": "travel.md", "notebook": "laptops.md"}


def session(served: Workspace, queue: Queue, judge: str = "ana") -> Iterator[QueueSession]:
    judging = Judging.open(queue.folder, served.home)
    with open_release(served.home, serving(served.home) or "", ["hybrid"]) as opened:
        yield QueueSession.of(judging, opened.readable_by(queue.reads), real_encoder, judge, queue.lines)


def grade_of(question: str, document: str) -> int:
    """A judge who knows."""
    return 2 * any(word in question.lower() and document.endswith(page) for word, page in RIGHT.items())


def judge_all(one: QueueSession, most: int = 1_000) -> int:
    """Judge until nothing is left, or so many are judged."""
    done = 0
    while done < most and (found := one.next()):
        one.grade(grade_of(one.judging.golden.queries[found.query], found.document), datetime.now(UTC))
        done += 1
    return done


def written(served: Workspace, queue: Queue, name: str = "asked") -> Judged:
    for one in session(served, queue, "nobody"):
        grades = read_golden_set(queue.folder, to_be_judged=True).qrels
        return write_sets(settings_of(served).evals, name, queue, grades, one.complete(), served.home)
    raise AssertionError


def test_judged_questions_of_production_are_evidence_like_any_other_set(served: Workspace) -> None:
    was_asked(served)
    queue = drawn(served)
    assert (queue.drawn, queue.of, len(queue.lines)) == (6, 6, 5), "what is asked twice is judged once"
    for one in session(served, queue):
        assert judge_all(one) == 5 * 3
    told = written(served, queue)
    assert (told.answered, told.unanswered, told.missing, told.sets) == (5, 1, 0, {"asked": 5})
    golden = read_golden_set(served.settings.evals / "asked")
    assert golden.about.made_by == "traffic"
    holidays = [query for query, text in golden.queries.items() if "holiday" in text.lower()]
    assert len(holidays) == 2, "it counts as often as it was asked"
    assert golden.qrels[holidays[0]] == golden.qrels[holidays[1]]
    checked = check_set(served.settings.evals / "asked", served.home, ["handbook"])
    assert not [one for one in checked.findings if one.kind == "duplicate"]
    evaluation = Evaluation(served.home, read_golden_sets(served.settings.evals), real_model(), {}, run_id="run", now=NOW)
    evidence = evaluate_release(evaluation, serving(served.home) or "", None)
    measured = evidence.golden_sets["asked"]
    assert (measured.made_by, measured.queries) == ("traffic", 5)


def test_a_question_counts_once_all_that_was_found_for_it_is_judged(served: Workspace) -> None:
    was_asked(served)
    queue = drawn(served)
    for one in session(served, queue):
        judge_all(one, 4)
    told = written(served, queue)
    assert told.answered + told.unanswered >= 1
    assert told.answered + told.unanswered <= 2
    assert not read_golden_set(queue.folder, to_be_judged=True).about.labels


def test_a_question_that_was_asked_again_later_in_the_sample_reaches_no_further(served: Workspace) -> None:
    """What was judged so far is a uniform sample only as far as the judge has come in its order."""
    was_asked(served, ["how long is my holiday", *(f"which train goes to town {number}" for number in range(20))])
    was_asked(served, ["how long is my holiday"] * 10, start=100)
    queue = drawn(served)
    [again] = [line for line in queue.lines if "holiday" in line.text]
    for one in session(served, queue):
        before = ""
        while (found := one.next()) and (found.query == before or before != again.query_id):
            one.grade(grade_of(one.judging.golden.queries[found.query], found.document), datetime.now(UTC))
            before = found.query
    told = written(served, queue)
    assert told.missing == 0
    assert told.answered + told.unanswered < queue.drawn


def test_questions_that_were_no_use_become_a_set_of_their_own_and_no_part_of_the_estimate(served: Workspace) -> None:
    ids = was_asked(served)
    texts = dict(zip(ids, QUESTIONS, strict=True))
    first = min(ids, key=order)
    bad = next(one for one in ids if "wifi" not in texts[one] and fold(texts[one]) != fold(texts[first]))
    was_no_use(served, bad)
    queue = drawn(served, uniform=1)
    assert {line.stratum for line in queue.lines} >= {"uniform", "not_useful"}
    for one in session(served, queue):
        judge_all(one)
    told = written(served, queue)
    assert told.sets.get("asked_hard", 0) >= 1
    hard = read_golden_set(served.settings.evals / "asked_hard")
    assert hard.about.made_by == "people"
    assert told.answered + told.unanswered <= 2


def test_what_is_judged_stays_through_draws_and_a_sample_grows(served: Workspace) -> None:
    was_asked(served, QUESTIONS[:3])
    first = drawn(served)
    for one in session(served, first):
        judge_all(one)
    before = read_golden_set(first.folder, to_be_judged=True).qrels
    was_asked(served, ("who may fly first class", "when is the disk encrypted"), start=100)
    second = drawn(served)
    assert second.of == 5
    assert {line.query_id for line in first.lines} < {line.query_id for line in second.lines}
    assert read_golden_set(second.folder, to_be_judged=True).qrels == before


def test_a_tenth_is_asked_of_a_second_judge_and_changes_no_judgment(served: Workspace) -> None:
    was_asked(served, [f"how long is holiday number {number}" for number in range(12)])
    queue = drawn(served)
    for one in session(served, queue, "ana"):
        judge_all(one)
        assert one.next() is None, "nobody judges twice what is one's own"
        mine = firsts(one.judging)
    twice = [item for item in mine if wants_a_second(item)]
    assert twice, "another text of the questions would have some"
    before = read_golden_set(queue.folder, to_be_judged=True).qrels
    for one in session(served, queue, "ben"):
        asked = 0
        while one.next():
            one.grade(1, datetime.now(UTC))
            asked += 1
        assert asked == one.seconds == len(twice)
        assert one.undo(datetime.now(UTC)) and len(seconds(queue.folder)) == len(twice) - 1
        judge_all(one)
        assert f"{len(twice)} were judged by two people" in one.agreement
    for one in session(served, queue, "cleo"):
        assert one.next() is None, "two judges are enough"
    assert read_golden_set(queue.folder, to_be_judged=True).qrels == before


def test_the_dialogue_of_the_terminal_works_on_the_queue(served: Workspace) -> None:
    was_asked(served)
    queue = drawn(served)
    answers = iter(["2\n", "0\n", "u\n", "s\n", "1\n", "q\n"])
    for one in session(served, queue):
        talk(one, Printer(), lambda: next(answers), lambda: datetime.now(UTC), None)
        assert (len(one.judged), one.skipped) == (2, 1)
    assert len(firsts(Judging.open(queue.folder, served.home))) == 2


def test_only_questions_of_those_who_read_what_most_do_are_in_the_queue(served: Workspace) -> None:
    was_asked(served, reads=["public"])
    was_asked(served, ["who earns what"], start=50, reads=["board", "public"])
    queue = drawn(served)
    assert queue.reads == ("public",)
    assert "who earns what" not in {line.text for line in queue.lines}
    assert read_golden_set(queue.folder, to_be_judged=True).reads == ("public",)


def test_without_a_text_that_is_kept_there_is_nothing_to_judge(served: Workspace) -> None:
    with pytest.raises(PipelineError, match="no question is kept with its text"):
        drawn(served)


def test_a_set_of_people_is_never_written_over_and_an_edited_queue_is_not_counted(served: Workspace) -> None:
    was_asked(served)
    queue = drawn(served)
    with pytest.raises(GoldenSetError, match="questions is a golden set that was not made from the queue"):
        written(served, queue, "questions")
    file = queue.folder / QUERIES
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    assert not read_queue(queue.folder).whole
    with pytest.raises(GoldenSetError, match="is not what was drawn"):
        written(served, read_queue(queue.folder))


def test_unjudged_questions_of_the_sample_are_probes(served: Workspace) -> None:
    was_asked(served)
    queue = drawn(served)
    for one in session(served, queue):
        first: Any = one.next()
        while (found := one.next()) and found.query == first.query:
            one.grade(2, datetime.now(UTC))
    told = written(served, queue)
    golden = read_golden_set(served.settings.evals / "asked")
    assert told.probes == len(golden.probes) == 4
    assert not set(golden.probes.values()) & set(golden.queries.values())
