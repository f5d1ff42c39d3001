"""What a language model writes reaches nobody unchecked, and costs no more than was agreed. The server is real, and lies."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.answer.breaker import FAILURES, REST_S, Breaker
from rag_pipeline.answer.budget import Budget, FileBooks, Payer
from rag_pipeline.answer.cited import Cited, stands
from rag_pipeline.answer.config import NANO, Config
from rag_pipeline.answer.write import Wanted, Writer, Written
from tests.support.lying_model import BROKEN, KINDS, LIES, PASSAGES, TRUTHS, config, endpoint, lying_model

pytest.importorskip("openai")

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def budget(folder: Path, said: Config) -> Budget:
    return Budget(FileBooks(folder / "spent.sqlite"), said.budget, lambda: NOW)


def wanted(said: Config, query: str = "q1", who: str = "k_1", reads: Sequence[str] = (), left_s: float = 600) -> Wanted:
    seen = {one.name: PASSAGES for one in said.models}
    until = asyncio.get_running_loop().time() + left_s
    return Wanted("how many days", "english", seen, Payer(who, query, frozenset(reads)), until)


async def written(writer: Writer, asked: Wanted) -> tuple[list[Cited], Written]:
    result = Written()
    return [one async for one in writer.sentences(asked, result)], result


def check_truth(found: list[Cited]) -> None:
    for one in found:
        assert one.text in TRUTHS, one.text
        assert one.citations and all(stands(citation, PASSAGES) for citation in one.citations)


def patience(kinds: list[str]) -> int:
    """Milliseconds: few where nothing comes anyway, so many elsewhere that a busy machine is no failure."""
    return 300 if kinds[0] == "stall" else 60_000


async def lied_to(folder: Path, kinds: list[str], seed: int) -> tuple[list[Cited], Written, int]:
    async with lying_model() as model:
        model.kinds, model.dice = kinds, random.Random(seed)
        said = config(endpoint(model, timeout_ms=patience(kinds)))
        found, result = await written(Writer(said, budget(folder, said)), wanted(said, left_s=600))
        return found, result, len(model.asked)


def test_an_honest_sentence_is_given_with_its_quote_and_its_price(tmp_path: Path) -> None:
    found, result, asked = asyncio.run(lied_to(tmp_path, ["truth"], 1))
    check_truth(found)
    assert (len(found), asked, result.left_out) == (1, 1, 0)
    assert (result.tokens_in, result.tokens_out, result.usd) == (300, 50, 0.00035)
    assert result.model == "liar-1"


@pytest.mark.parametrize("kind", LIES)
def test_a_lie_is_asked_about_once_more_and_reaches_nobody(tmp_path: Path, kind: str) -> None:
    found, result, asked = asyncio.run(lied_to(tmp_path, [kind], 2))
    assert (found, asked) == ([], 2)
    assert result.left_out >= 2 and "wrote no sentence that its quotes hold" in result.why_not[-1]
    after, _, asked = asyncio.run(lied_to(tmp_path, [kind, "truth"], 3))
    check_truth(after)
    assert (len(after), asked) == (1, 2)


@pytest.mark.parametrize("kind", BROKEN)
def test_an_endpoint_that_breaks_is_given_up_at_once(tmp_path: Path, kind: str) -> None:
    found, result, asked = asyncio.run(lied_to(tmp_path, [kind], 2))
    check_truth(found)
    assert asked == 1 and (found or result.why_not)
    assert not found or kind == "cut", "a whole line that passed is given before the stream is cut"
    assert "evil" not in str(result.why_not)


@pytest.mark.slow
def test_five_hundred_lies_and_breakdowns_send_no_unchecked_sentence(tmp_path: Path) -> None:
    async def story() -> None:
        async with lying_model() as model:
            for number in range(500):
                model.kinds = [KINDS[number % len(KINDS)], KINDS[(number * 7 + 3) % len(KINDS)]]
                model.asked.clear()
                model.dice = random.Random(number)
                said = config(endpoint(model, timeout_ms=300 if "stall" in model.kinds else 60_000))
                found, _ = await written(Writer(said, budget(tmp_path, said)), wanted(said, f"q{number}"))
                check_truth(found)

    asyncio.run(story())


def test_what_a_planted_instruction_says_reaches_the_model_as_data_alone(tmp_path: Path) -> None:
    async def story() -> list[dict[str, Any]]:
        async with lying_model() as model:
            said = config(endpoint(model))
            await written(Writer(said, budget(tmp_path, said)), wanted(said))
            return model.asked

    [asked] = asyncio.run(story())
    system, user = asked["messages"]
    assert (system["role"], system["content"]) == ("system", "Answer.")
    assert user["content"].startswith('{"question": "how many days"')
    assert (asked["temperature"], asked["max_tokens"]) == (0, 100)


def test_the_next_model_is_asked_where_one_fails_and_its_price_is_checked_too(tmp_path: Path) -> None:
    async def story(usd_out: float) -> tuple[list[Cited], Written, int]:
        async with lying_model() as broken, lying_model() as other:
            broken.kinds = ["status 500"]
            said = config(endpoint(broken, "first"), endpoint(other, "second", usd_out=usd_out), usd_per_query=0.01)
            found, result = await written(Writer(said, budget(tmp_path, said)), wanted(said, f"q{usd_out}"))
            return found, result, len(other.asked)

    found, result, asked = asyncio.run(story(1.0))
    check_truth(found)
    assert (len(found), asked, result.why_not) == (1, 1, ["first: it answered with status 500"])
    found, result, asked = asyncio.run(story(1_000.0))
    assert (found, asked) == ([], 0)
    assert result.why_not == ["first: it answered with status 500", "second: over budget"]


def test_a_model_that_may_see_no_passage_is_not_asked(tmp_path: Path) -> None:
    async def story() -> tuple[list[Cited], Written, int]:
        async with lying_model() as model:
            said = config(endpoint(model))
            asked = wanted(said)
            hidden = Wanted(asked.question, asked.language, {"liar": ()}, asked.payer, asked.until)
            found, result = await written(Writer(said, budget(tmp_path, said)), hidden)
            return found, result, len(model.asked)

    found, result, asked = asyncio.run(story())
    assert (found, asked, result.why_not) == ([], 0, ["liar may see none of the passages"])


@pytest.mark.parametrize("limit", ["usd_per_day", "usd_per_day_each", "tenants"])
def test_two_hundred_who_ask_at_once_never_exceed_a_budget(tmp_path: Path, limit: str) -> None:
    async def story() -> None:
        async with lying_model() as model:
            one = endpoint(model, timeout_ms=60_000)
            worst = one.worst(1_500) / NANO
            limits: dict[str, Any] = {limit: 12 * worst} if limit != "tenants" else {"tenants": {"acme": 12 * worst}}
            said = config(one, **limits)
            kept, seen = budget(tmp_path, said), list[int]()
            model.on_request = lambda: seen.append(kept.spent_today())
            writer = Writer(said, kept)
            asked = [wanted(said, f"q{n}", reads=["acme"]) for n in range(200)]
            await asyncio.gather(*(written(writer, each) for each in asked))
            assert 12 <= len(model.asked) < 200
            assert max(seen) <= 12 * worst * NANO
            assert kept.spent_today() <= 12 * worst * NANO

    asyncio.run(story())


@pytest.mark.parametrize(
    "usage", [None, {"prompt_tokens": -5, "completion_tokens": 1}, {"prompt_tokens": 10**9, "completion_tokens": 10**9}]
)
def test_what_a_server_says_of_its_usage_never_frees_or_takes_more_than_was_reserved(
    tmp_path: Path, usage: dict[str, Any] | None
) -> None:
    async def story() -> tuple[int, int]:
        async with lying_model() as model:
            model.usage = usage
            one = endpoint(model)
            said = config(one)
            kept, before = budget(tmp_path, said), list[int]()
            model.on_request = lambda: before.append(kept.spent_today())
            await written(Writer(said, kept), wanted(said))
            return before[0], kept.spent_today()

    reserved, settled = asyncio.run(story())
    assert settled == reserved > 0


def test_a_reader_who_leaves_ends_the_call_and_its_reservation_stays(tmp_path: Path) -> None:
    async def story() -> int:
        async with lying_model() as model:
            model.kinds = ["stall"]
            said = config(endpoint(model, timeout_ms=60_000))
            kept = budget(tmp_path, said)
            asking = asyncio.create_task(written(Writer(said, kept), wanted(said)))
            while not model.asked:
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            return kept.spent_today()

    assert asyncio.run(story()) > 0


def test_budgets_are_of_a_day_and_of_a_question(tmp_path: Path) -> None:
    said = config(usd_per_day=10e-9 * 10, usd_per_query=5e-9)
    clock = [NOW]
    kept = Budget(FileBooks(tmp_path / "spent.sqlite"), said.budget, lambda: clock[0])
    payer = Payer("k", "q1", frozenset())
    first = kept.reserve(payer, "x", 5)
    assert first is not None and kept.reserve(payer, "x", 1) is None
    kept.settle(first, 2)
    assert kept.reserve(payer, "x", 3) is not None
    assert kept.reserve(Payer("k", "q2", frozenset()), "x", 6) is None
    clock[0] = datetime(2026, 3, 2, tzinfo=UTC)
    assert kept.spent_today() == 0


def test_an_endpoint_that_failed_rests_and_is_tried_by_one(tmp_path: Path) -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES):
        assert breaker.lets_through()
        breaker.failed()
    assert not breaker.lets_through()
    now[0] = REST_S
    assert [breaker.lets_through(), breaker.lets_through()] == [True, False]
    breaker.worked()
    assert breaker.lets_through()


def test_who_asks_while_too_many_answers_are_written_gets_none_of_a_model(tmp_path: Path) -> None:
    async def story() -> Written:
        async with lying_model() as model:
            model.kinds = ["stall"]
            said = replace(config(endpoint(model, timeout_ms=60_000)), at_once=1)
            writer = Writer(said, budget(tmp_path, said))
            first = asyncio.create_task(written(writer, wanted(said)))
            while not model.asked:
                await asyncio.sleep(0.01)
            _, second = await written(writer, wanted(said, "q2"))
            first.cancel()
            return second

    assert asyncio.run(story()).why_not == ["too many answers are being written"]
