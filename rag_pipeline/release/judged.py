"""Opinions of a judge model on the answers that were measured, beside what people said of the same answers.

Off unless `judge.yaml` lies beside `gate.yaml`. The model is a reader like any other: what it may not read is not sent.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rag_pipeline.answer.agreed import Score, scores
from rag_pipeline.answer.budget import Budget
from rag_pipeline.answer.cited import passages_of
from rag_pipeline.answer.config import NANO, Config
from rag_pipeline.answer.endpoint import check_installed
from rag_pipeline.answer.judge_config import JudgeConfig, read_judge
from rag_pipeline.answer.judged_by_people import in_turn, read_judgments
from rag_pipeline.answer.opinions import Item, Opinions, opinions
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.answers import AnswersOf, Measured
from rag_pipeline.index.retrieve import OpenRelease, open_release
from rag_pipeline.release.answered import Beside
from rag_pipeline.release.withdrawn import read_withdrawn
from rag_pipeline.settings import Settings
from rag_pipeline.versions.asking import books_of
from rag_pipeline.versions.seen import seen_by


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """One golden set: a score for each aspect, with the agreement of people; and answers without an opinion, by reason."""

    golden_set: str
    scores: tuple[Score, ...]
    why_not: Mapping[str, int]
    usd: float

    def says(self, judge: JudgeConfig) -> list[str]:
        """In sentences, whether each score may be believed."""
        told = [one.usable(judge.name, judge.agreement_at_least).says for one in self.scores]
        return [*told, *(f"{count} answers without an opinion: {why}" for why, count in self.why_not.items())]


@dataclass(frozen=True, slots=True)
class Judged:
    """What one judge said."""

    judge: JudgeConfig
    sets: tuple[JudgedSet, ...]


def items_of(found: AnswersOf, one: Measured) -> list[Item]:
    """The answers of one golden set that a reader gets to see."""
    shown = [(answer, answer.shown(found.bounds)) for answer in one.answers]
    return [Item(one.name, answer.query, answer.text, sentences) for answer, sentences in shown if sentences]


def judged(settings: Settings, found: AnswersOf) -> Judged | str | None:
    """Ask the judge model about every golden set. None where there is none; why, where it cannot be asked: opinions decide
    nothing, so they stop nothing either."""
    try:
        config = read_judge(settings.evals)
        if config is None:
            return None
        check_installed()
        budget = Budget(books_of(settings.home), config.budget, lambda: datetime.now(UTC))
        with open_release(settings.home, found.release) as opened:
            return Judged(config, tuple(_judged(settings, config, budget, opened, (found, one)) for one in found.sets))
    except PipelineError as error:
        return str(error)


def _judged(
    settings: Settings, config: JudgeConfig, budget: Budget, opened: OpenRelease, answers: tuple[AnswersOf, Measured]
) -> JudgedSet:
    found, one = answers
    people = read_judgments(settings.evals / one.name)
    items = items_of(found, one)
    asked = chosen(items, people, config.answers_at_most)
    seen = visible(settings, config, opened, asked)
    said = asyncio.run(opinions(config, budget, seen)) if seen else Opinions()
    if hidden := len(asked) - len(seen):
        said.why_not["the model may not see what they quote"] = hidden
    return JudgedSet(one.name, scores(said.said, people), said.why_not, round(said.nano / NANO, 9))


def chosen(items: Sequence[Item], people: Collection[str], most: int) -> list[Item]:
    """Those that people judged first, since they alone tell what the others are worth; then some by chance."""
    mine = {one.id: one for one in items if one.id in people}
    return [*mine.values(), *in_turn(items, people)][:most]


def visible(settings: Settings, config: JudgeConfig, opened: OpenRelease, items: Sequence[Item]) -> list[Item]:
    """Answers of which the model may read every row that they quote, from sources of a classification that it may see."""
    withdrawn = {one.document_id for one in read_withdrawn(settings.home)}
    chunks = {place.chunk_id for one in items for sentence in one.sentences for place in sentence.citations}
    passages = [one for one in passages_of(opened.read(*sorted(chunks))) if one.document_id not in withdrawn]
    as_reader = Config(config.prompt, (config.model,), config.budget, config.at_once)
    seen = seen_by(as_reader, opened.manifest, opened.readable_by, settings.home, passages)[config.model.name]
    readable = {one.chunk_id for one in seen}
    return [
        one for one in items if all(place.chunk_id in readable for sentence in one.sentences for place in sentence.citations)
    ]


def about(beside: Beside, found: Judged | str | None, channel: str) -> dict[str, str]:
    """What the page of answers says beside them."""
    judge = found if isinstance(found, str) else ""
    if isinstance(found, Judged):
        told = [f"{one.golden_set}: {score.told}" for one in found.sets for score in one.scores]
        judge = f"{found.judge.name}. {' '.join(told)}"
    return {"channel": channel, "unread": beside.unread, "judge": judge}
