"""Sentences that a language model writes, each checked against its quotes before anybody sees it.

Models are asked in their order: the next one where one fails, may see none of the passages, or costs too much. What a model
writes that its quotes do not hold is never given out. If that was all of it, it is asked once more; then there is nothing,
and the caller answers with whole sentences of the passages instead.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rag_pipeline.answer.breaker import Breaker
from rag_pipeline.answer.budget import BooksUnreachable, Budget, Payer
from rag_pipeline.answer.check import Claim, check
from rag_pipeline.answer.cited import Cited, Passage
from rag_pipeline.answer.config import NANO, Config, Endpoint
from rag_pipeline.answer.endpoint import EndpointFailed, Usage, ask

log = logging.getLogger("rag_pipeline")

MOST_SENTENCES = 6
_LONGEST_LINE = 8_000
"""Characters of one line that a model writes: a sentence and its quotes."""

_LEAST_S = 0.2
"""With less time left no model is asked."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One question. `seen_by`: name of an endpoint -> the passages it may see, best first."""

    question: str
    language: str
    seen_by: Mapping[str, tuple[Passage, ...]]
    payer: Payer
    until: float
    """When it is too late, on the clock of the event loop."""


@dataclass(slots=True)
class Written:
    """What came of it, filled in while it is written."""

    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    nano: int = 0
    sentences: int = 0
    left_out: int = 0
    """Sentences that their quotes did not hold."""
    why_not: list[str] = field(default_factory=list)
    """What was in the way, in the order in which it was met; no text of a model or a document."""

    @property
    def usd(self) -> float:
        return self.nano / NANO


class Writer:
    """Asks the models of one configuration. For one event loop."""

    def __init__(self, config: Config, budget: Budget) -> None:
        self.config, self._budget = config, budget
        self._breakers = {one.name: Breaker() for one in config.models}
        self._writing = 0

    async def sentences(self, wanted: Wanted, written: Written) -> AsyncGenerator[Cited, None]:
        """The sentences that may be sent, as they come; none where no model wrote one."""
        if self._writing >= self.config.at_once:
            written.why_not.append("too many answers are being written")
            return
        self._writing += 1
        try:
            async with aclosing(self._by_turns(wanted, written)) as found:
                async for one in found:
                    yield one
        finally:
            self._writing -= 1

    async def _by_turns(self, wanted: Wanted, written: Written) -> AsyncGenerator[Cited, None]:
        for endpoint in self.config.models:
            passages = wanted.seen_by.get(endpoint.name, ())
            if not passages:
                written.why_not.append(f"{endpoint.name} may see none of the passages")
                continue
            reasons: list[str] = []
            for _ in range(2):
                complaint = reasons[-1] if reasons else ""
                done = False
                async with aclosing(self._once(endpoint, passages, wanted, written, complaint)) as found:
                    async for one in found:
                        if isinstance(one, Cited):
                            written.sentences += 1
                            yield one
                        elif one.kind == "wrong":
                            reasons.append(one.why)
                            written.left_out += 1
                        else:
                            written.why_not.append(f"{endpoint.name}: {one.why}")
                            done = True
                if written.sentences:
                    written.model = endpoint.model
                    return
                if done:
                    break
                if not reasons:
                    written.why_not.append(f"{endpoint.name} found no answer in the passages")
                    return
            else:
                written.why_not.append(f"{endpoint.name} wrote no sentence that its quotes hold")
                return

    async def _once(
        self, endpoint: Endpoint, passages: Sequence[Passage], wanted: Wanted, written: Written, complaint: str
    ) -> AsyncGenerator["Cited | _Said", None]:
        """One call: what may be sent, what is wrong, and why there is no more."""
        breaker = self._breakers[endpoint.name]
        timeout_s = min(endpoint.timeout_ms / 1000, wanted.until - asyncio.get_running_loop().time())
        if timeout_s < _LEAST_S:
            yield _Said("failed", "there is no time left for it")
            return
        if not breaker.lets_through():
            yield _Said("failed", "it failed again and again, so it is left alone for a while")
            return
        user = _message(wanted.question, passages, complaint)
        worst = endpoint.worst(len((self.config.prompt + user).encode()))
        try:
            number = await asyncio.to_thread(self._budget.reserve, wanted.payer, endpoint.name, worst)
        except (OSError, sqlite3.Error) as error:
            log.warning("nobody can say what models cost: %s", _kind(error))
            yield _Said("failed", "nobody can say what was spent")
            return
        if number is None:
            yield _Said("failed", "over budget")
            return
        usage, failed = Usage(-1, -1), ""
        try:
            async with aclosing(_lines(endpoint, self.config.prompt, user, timeout_s)) as lines:
                async for line in lines:
                    if isinstance(line, Usage):
                        usage = line
                        continue
                    found = _checked(line, passages, wanted.language)
                    if isinstance(found, Cited) and written.sentences >= MOST_SENTENCES:
                        break
                    if found is not None:
                        yield found
            breaker.worked()
        except EndpointFailed as error:
            breaker.failed()
            failed = str(error)
            log.warning("%s: %s", endpoint.name, failed)
        finally:
            cost = worst if min(usage.tokens_in, usage.tokens_out) < 0 else endpoint.cost(usage.tokens_in, usage.tokens_out)
            written.nano += min(cost, worst)
            written.tokens_in += max(0, usage.tokens_in)
            written.tokens_out += max(0, usage.tokens_out)
            await asyncio.shield(self._settle(number, cost))
        if failed:
            yield _Said("failed", failed)

    async def _settle(self, number: int, nano: int) -> None:
        """A call that cannot be settled stays reserved at its worst, which is safe."""
        try:
            await asyncio.to_thread(self._budget.settle, number, nano)
        except (OSError, sqlite3.Error) as error:
            log.warning("a call cannot be settled: %s", _kind(error))


def _kind(error: Exception) -> str:
    return str(error) if isinstance(error, BooksUnreachable) else type(error).__name__


@dataclass(frozen=True, slots=True)
class _Said:
    """`wrong`: one sentence may not be sent; `failed`: the endpoint says no more."""

    kind: str
    why: str


def _message(question: str, passages: Sequence[Passage], complaint: str) -> str:
    """What a model is asked: as JSON, so that no passage can end where it wants to."""
    said: dict[str, Any] = {
        "question": question,
        "passages": [{"number": number, "text": one.text} for number, one in enumerate(passages, start=1)],
    }
    if complaint:
        said["your last answer was refused"] = complaint
    return json.dumps(said, ensure_ascii=False)


async def _lines(endpoint: Endpoint, system: str, user: str, timeout_s: float) -> AsyncGenerator[str | Usage, None]:
    """Whole lines of what a model writes, and its usage. Raises `EndpointFailed`, also for a line that does not end."""
    rest = ""
    async with aclosing(ask(endpoint, system, user, timeout_s)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Usage):
                yield piece
                continue
            *whole, rest = (rest + piece).split("\n")
            for line in whole:
                yield line
            if len(rest) > _LONGEST_LINE:
                raise EndpointFailed("its answer has a line without end")
    yield rest


def _checked(line: str, passages: Sequence[Passage], language: str) -> "Cited | _Said | None":
    """A line as a sentence that may be sent, or why it may not; None where it says nothing."""
    line = line.strip().rstrip(",")
    if not line or line.startswith("```") or line in ("[", "]"):
        return None
    claim = _claim(line)
    if claim is None:
        return _Said("wrong", "a line is not the JSON object that was asked for")
    found = check(claim, passages, language)
    return found if isinstance(found, Cited) else _Said("wrong", found)


def _claim(line: str) -> Claim | None:
    if len(line) > _LONGEST_LINE:
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("sentence"), str) or not isinstance(said.get("quotes"), list):
        return None
    quotes: list[tuple[int, str]] = []
    for one in said["quotes"]:
        if not isinstance(one, dict) or not isinstance(one.get("quote"), str):
            return None
        number = one.get("passage")
        if not isinstance(number, int) or isinstance(number, bool):
            return None
        quotes.append((number, one["quote"]))
    return Claim(said["sentence"], tuple(quotes))
