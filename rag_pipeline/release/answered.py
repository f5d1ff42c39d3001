"""Answers of a release measured beside those of the release before, for whoever shows both. It moves nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from rag_pipeline.channels.pointer import PRODUCTION, read_channel
from rag_pipeline.corpus.model import model_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.answers import AnswersOf, measure_answers
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import own_model
from rag_pipeline.release.withdrawn import read_withdrawn
from rag_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Beside:
    """`unread`: why there is nothing of the release before, though there is such a release."""

    now: AnswersOf
    before: AnswersOf | None
    unread: str = ""
    withdrawn: frozenset[str] = frozenset()
    """Documents that are hidden from readers, and so from whoever looks at answers."""


def answers_of(settings: Settings, release: str, golden_sets: Sequence[GoldenSet]) -> AnswersOf:
    """What the answers of one release are worth. Raises as `measure_answers`."""
    model = own_model(read_manifest(settings.home.release(release)), model_of(settings))
    return measure_answers(settings.home, release, model, golden_sets, settings.evals)


def answers_beside(settings: Settings, release: str, golden_sets: Sequence[GoldenSet], channel: str = PRODUCTION) -> Beside:
    """The same, and of the release before: what the channel names, or for that one what it named before.

    That the release before cannot be measured is told, and stops nothing.
    """
    hidden = frozenset(one.document_id for one in read_withdrawn(settings.home))
    now, other = answers_of(settings, release, golden_sets), release_before(settings.home, release, channel)
    if other is None:
        return Beside(now, None, withdrawn=hidden)
    try:
        return Beside(now, answers_of(settings, other, golden_sets), withdrawn=hidden)
    except (PipelineError, OSError) as error:
        return Beside(now, None, f"{other} cannot be asked: {error}", hidden)


def release_before(home: Home, release: str, channel: str) -> str | None:
    """What a release is shown beside; None where there is nothing."""
    points = read_channel(home, channel)
    if points is None:
        return None
    return points.release if points.release != release else points.previous
