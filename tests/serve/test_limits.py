"""Limits: who waits, who is refused at once, and that nothing is lost when questions end in whatever order."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rag_pipeline.door.limits import Admission, Deadline, Rates
from rag_pipeline.door.problems import DEADLINE, OVERLOADED, TOO_MANY, Kind, Problem
from tests.conftest import Workspace
from tests.support.replicas import key_for, replica

LATER = 60_000.0
"""Milliseconds: no deadline of a test comes."""


def kind_of(error: BaseException) -> Kind:
    assert isinstance(error, Problem), error
    return error.kind


class Questions:
    """Questions that end when they are told to, and what became of each."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.told: dict[str, str] = {}
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, who: str = "ana", ms: float = LATER) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._work(name, who, ms))
        await asyncio.sleep(0)

    async def _work(self, name: str, who: str, ms: float) -> None:
        try:
            async with self.admission.place(who, Deadline.in_ms(ms)):
                self.told[name] = "working"
                await self.ends[name].wait()
                self.told[name] = "done"
        except Problem as problem:
            self.told[name] = problem.kind.slug

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)


def test_questions_are_worked_on_in_the_order_in_which_they_came() -> None:
    async def story() -> None:
        asked = Questions(Admission(1, 2, 9))
        for name in ("a", "b", "c", "d"):
            await asked.ask(name)
        assert asked.told == {"a": "working", "d": OVERLOADED.slug}
        assert (asked.admission.working, asked.admission.waiting) == (1, 2)
        await asked.end("a")
        await asyncio.sleep(0)
        assert asked.told["b"] == "working"
        assert "c" not in asked.told
        await asked.ask("e")
        assert "e" not in asked.told
        for name in ("b", "c", "e"):
            await asked.end(name)
        assert {asked.told[name] for name in "abce"} == {"done"}
        assert (asked.admission.working, asked.admission.waiting) == (0, 0)

    asyncio.run(story())


def test_one_principal_cannot_take_all_places() -> None:
    async def story() -> None:
        asked = Questions(Admission(2, 8, 3))
        for number in range(5):
            await asked.ask(f"ana {number}", "ana")
        await asked.ask("ben", "ben")
        assert [asked.told.get(f"ana {number}") for number in range(5)] == ["working", "working", None, *[TOO_MANY.slug] * 2]
        for number in range(3):
            await asked.end(f"ana {number}")
        await asked.end("ben")
        assert asked.told["ben"] == "done"
        await asked.ask("ana again", "ana")
        assert asked.told["ana again"] == "working"
        await asked.end("ana again")

    asyncio.run(story())


def test_whoever_waits_past_the_deadline_or_goes_away_leaves_no_trace() -> None:
    async def story() -> None:
        asked = Questions(Admission(1, 8, 9))
        await asked.ask("a")
        await asked.ask("late", ms=1)
        await asked.ask("gone")
        await asked.ask("last")
        await asked.tasks["late"]
        assert asked.told["late"] == DEADLINE.slug
        asked.tasks["gone"].cancel()
        await asyncio.gather(asked.tasks["gone"], return_exceptions=True)
        await asked.end("a")
        await asyncio.sleep(0)
        assert asked.told["last"] == "working"
        await asked.end("last")
        assert (asked.admission.working, asked.admission.waiting) == (0, 0)

    asyncio.run(story())


def test_a_place_stays_taken_until_its_thread_has_ended() -> None:
    async def story() -> None:
        admission, loop = Admission(1, 0, 9), asyncio.get_running_loop()
        ends = asyncio.Event()
        with ThreadPoolExecutor(1) as threads:
            async with admission.place("ana", Deadline.in_ms(LATER)) as place:
                coming = asyncio.run_coroutine_threadsafe(ends.wait(), loop)
                work = loop.run_in_executor(threads, coming.result)
                place.keep(work)
            assert admission.working == 1
            with pytest.raises(Problem) as caught:
                async with admission.place("ben", Deadline.in_ms(LATER)):
                    raise AssertionError("unreachable")
            assert kind_of(caught.value) is OVERLOADED
            assert caught.value.headers()["retry-after"] == "1"
            ends.set()
            await work
            await asyncio.sleep(0)
        assert admission.working == 0

    asyncio.run(story())


def test_a_thousand_questions_in_any_order_end_with_nothing_left() -> None:
    async def story() -> None:
        admission = Admission(3, 20, 30)

        async def one(number: int) -> str:
            await asyncio.sleep(number % 7 / 1000)
            try:
                async with admission.place(f"p{number % 5}", Deadline.in_ms(3 + number % 11)):
                    await asyncio.sleep(number % 3 / 1000)
                    return "done"
            except Problem as problem:
                return problem.kind.slug

        tasks = [asyncio.create_task(one(number)) for number in range(1_000)]
        for task in tasks[::13]:
            task.cancel()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert "done" in told
        assert OVERLOADED.slug in told
        assert (admission.working, admission.waiting) == (0, 0)

    asyncio.run(story())


def test_rates_are_of_each_and_of_all() -> None:
    rates = Rates("3/hour", "5/hour")
    for _ in range(3):
        rates.take("ana")
    with pytest.raises(Problem, match="one key may ask 3 requests a hour") as caught:
        rates.take("ana")
    assert kind_of(caught.value) is TOO_MANY
    assert 3_000 < int(caught.value.headers()["retry-after"]) <= 3_600
    rates.take("ben")
    rates.take("ben")
    with pytest.raises(Problem, match="this replica takes 5 requests a hour"):
        rates.take("cem")


def test_a_replica_refuses_what_is_too_much_and_answers_again_afterwards(served_once: Workspace) -> None:
    ana, ben = key_for(served_once.home), key_for(served_once.home)
    limits: dict[str, Any] = {
        "RAG_SERVE_AT_ONCE": "1",
        "RAG_SERVE_QUEUE": "2",
        "RAG_SERVE_AT_ONCE_EACH": "99",
        "RAG_SERVE_RATE": "80/hour",
    }
    with replica(served_once, **limits) as running:
        with ThreadPoolExecutor(40) as askers:
            told = list(askers.map(lambda _: running.ask(ana, {"query": "may I fly", "timeout_ms": 30_000}), range(60)))
        assert {answer.status_code for answer in told} == {200, 503}
        for answer in told:
            if answer.status_code == 503:
                assert answer.json()["type"] == "/problems/overloaded"
                assert int(answer.headers["retry-after"]) >= 1
        assert running.ask(ana, {"query": "may I fly"}).status_code == 200
        rest = [running.ask(ana, {"query": "may I fly"}) for _ in range(25)]
        assert [answer.status_code for answer in rest[-6:]] == [429] * 6
        assert rest[-1].json()["type"] == "/problems/too-many-requests"
        assert int(rest[-1].headers["retry-after"]) > 60
        assert running.ask(ben, {"query": "may I fly"}).status_code == 200
        assert running.stop() == 0
