"""What a judge model says of answers: faithful to their quotes, relevant to their question. Off without `judge.yaml`.

An opinion is data for people until people's judgments agree with it: see `agreed`. What is asked and what comes back is
JSON; what is not exactly the object that was asked for is no opinion. No answer and no passage can know the number that an
opinion repeats.
"""

import asyncio
import json
import logging
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rag_pipeline.answer.breaker import Breaker
from rag_pipeline.answer.budget import JUDGE, Budget, Payer
from rag_pipeline.answer.cited import Cited
from rag_pipeline.answer.endpoint import EndpointFailed, Usage, ask
from rag_pipeline.answer.judge_config import JudgeConfig
from rag_pipeline.answer.plain import orders
from rag_pipeline.files import fingerprint

log = logging.getLogger("rag_pipeline")

_LONGEST = 2_000
"""Characters of an opinion; the object has some eighty."""


@dataclass(frozen=True, slots=True)
class Item:
    """One answer that is judged. It is the same as long as question, sentences and quotes are."""

    golden_set: str
    query: str
    question: str
    sentences: tuple[Cited, ...]

    @property
    def id(self) -> str:
        said = [[one.text, [[place.document_id, place.quote] for place in one.citations]] for one in self.sentences]
        return fingerprint(self.question, said)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was said of one answer, by a model or by a person."""

    faithful: bool
    relevant: bool


@dataclass(slots=True)
class Opinions:
    """What a judge model said: id of an answer -> opinion. `why_not`: reason -> answers without one."""

    said: dict[str, Opinion] = field(default_factory=dict)
    why_not: dict[str, int] = field(default_factory=dict)
    nano: int = 0


async def opinions(config: JudgeConfig, budget: Budget, items: Sequence[Item]) -> Opinions:
    """Ask for an opinion on each answer, some at a time, until money or the model's patience ends."""
    found, breaker, places = Opinions(), Breaker(), asyncio.Semaphore(config.at_once)

    async def one(item: Item) -> None:
        async with places:
            said = await _opinion(config, budget, breaker, item, found)
        if isinstance(said, Opinion):
            found.said[item.id] = said
        else:
            found.why_not[said] = found.why_not.get(said, 0) + 1

    await asyncio.gather(*map(one, items))
    return found


async def _opinion(config: JudgeConfig, budget: Budget, breaker: Breaker, item: Item, found: Opinions) -> Opinion | str:
    """The opinion, or why there is none; what it cost is added to `found`."""
    if any(orders(text) for one in item.sentences for text in (one.text, *(place.quote for place in one.citations))):
        return "the answer holds an order to a machine"
    if not breaker.lets_through():
        return "the model failed again and again"
    number = secrets.token_hex(8)
    message = _message(number, item)
    worst = config.model.worst(len((config.prompt + message).encode()))
    try:
        reserved = await asyncio.to_thread(budget.reserve, Payer(JUDGE, number, frozenset()), config.model.name, worst)
    except (OSError, sqlite3.Error):
        return "nobody can say what was spent"
    if reserved is None:
        return "over budget"
    text, usage, failed = "", Usage(-1, -1), ""
    try:
        async with aclosing(ask(config.model, config.prompt, message, config.model.timeout_ms / 1000)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Usage):
                    usage = piece
                elif len(text) <= _LONGEST:
                    text += piece
        breaker.worked()
    except EndpointFailed as error:
        breaker.failed()
        failed = str(error)
    cost = worst if min(usage.tokens_in, usage.tokens_out) < 0 else config.model.cost(usage.tokens_in, usage.tokens_out)
    found.nano += min(cost, worst)
    try:
        await asyncio.to_thread(budget.settle, reserved, cost)
    except (OSError, sqlite3.Error) as error:
        log.warning("an opinion cannot be settled: %s", type(error).__name__)
    return failed or read_opinion(text, number) or "it did not write the JSON object that was asked for"


def _message(number: str, item: Item) -> str:
    sentences = [{"text": one.text, "quotes": [place.quote for place in one.citations]} for one in item.sentences]
    said = {"id": number, "question": item.question, "sentences": sentences}
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace").decode()


def read_opinion(text: str, number: str) -> Opinion | None:
    """The opinion that a text is; None for anything else, however near it is to one."""
    if len(text) > _LONGEST:
        return None
    try:
        said = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or set(said) != {"id", "faithful", "relevant"} or said["id"] != number:
        return None
    faithful, relevant = said["faithful"], said["relevant"]
    return Opinion(faithful, relevant) if isinstance(faithful, bool) and isinstance(relevant, bool) else None


def _each_once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)
