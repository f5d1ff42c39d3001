"""Questions are embedded in batches of what waits: each gets its own vector, for the model of the release it asks."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from rag_pipeline.corpus.model import Encoder, Vectors
from rag_pipeline.door.limits import Deadline
from rag_pipeline.home import Home
from rag_pipeline.release.leased import Leased
from rag_pipeline.release.leases import Leases
from rag_pipeline.serve.batches import Batches, NoEncoder
from tests.support.replicas import point
from tests.support.small_releases import DIMENSIONS, bag_of_words, release_of

LATER = 60_000.0


@dataclass
class Held(Encoder):
    """Embeds when it is let, and remembers what it was given at once."""

    let: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)
    breaks: bool = False

    def documents(self, texts: list[str]) -> Vectors:
        return np.stack([bag_of_words(text) for text in texts])

    def queries(self, texts: list[str]) -> Vectors:
        self.batches.append(texts)
        assert self.let.wait(60)
        if self.breaks:
            raise RuntimeError("the device is gone")
        return self.documents(texts)


@dataclass(frozen=True)
class HeldModel:
    encoder: Held
    fingerprint: str = "small"
    dimensions: int = DIMENSIONS

    def load(self) -> Encoder:
        return self.encoder


@contextmanager
def leased(home: Home, encoder: Held) -> Iterator[Leased]:
    encoder.let.set()
    with Leases(home, model=lambda: HeldModel(encoder)) as leases, leases.lease() as found:  # type: ignore[arg-type, return-value]
        encoder.batches.clear()
        encoder.let.clear()
        yield found


@pytest.fixture
def small(home: Home) -> Home:
    point(home, release_of(home, {"a.md": "cats purr"}).manifest.id)
    return home


def test_whoever_waits_while_one_is_embedded_is_embedded_at_once_with_the_others(small: Home) -> None:
    encoder, batches = Held(), Batches()
    texts = [f"question {number}" for number in range(20)]

    async def ask(found: Leased) -> list[Vectors]:
        asked = [asyncio.create_task(batches.vector(found, text, Deadline.in_ms(LATER))) for text in texts]
        while not encoder.batches:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        encoder.let.set()
        return await asyncio.gather(*asked)

    with leased(small, encoder) as found:
        vectors = asyncio.run(ask(found))
    batches.close()
    for text, vector in zip(texts, vectors, strict=True):
        assert np.array_equal(vector, bag_of_words(text))
    assert [text for batch in encoder.batches for text in batch] == texts
    assert max(map(len, encoder.batches)) == 8


def test_a_question_that_is_too_late_is_not_embedded(small: Home) -> None:
    encoder, batches = Held(), Batches()

    async def ask(found: Leased) -> None:
        first = asyncio.create_task(batches.vector(found, "first", Deadline.in_ms(LATER)))
        while not encoder.batches:
            await asyncio.sleep(0.001)
        with pytest.raises(TimeoutError):
            await batches.vector(found, "late", Deadline.in_ms(5))
        encoder.let.set()
        await first
        await batches.vector(found, "last", Deadline.in_ms(LATER))

    with leased(small, encoder) as found:
        asyncio.run(ask(found))
    batches.close()
    assert encoder.batches == [["first"], ["last"]]


def test_an_encoder_that_fails_is_told_at_once_and_found_again(small: Home) -> None:
    encoder, batches = Held(), Batches()

    async def ask(found: Leased) -> None:
        encoder.let.set()
        encoder.breaks = True
        for _ in range(3):
            with pytest.raises(NoEncoder):
                await batches.vector(found, "x", Deadline.in_ms(LATER))
        assert found.no_encoder == "RuntimeError", "what it says may quote a question"
        assert len(encoder.batches) == 1, "it is not tried again by those who ask"
        found.find_encoder()
        assert found.no_encoder == "the device is gone"
        encoder.breaks = False
        found.find_encoder()
        assert not found.no_encoder
        assert np.array_equal(await batches.vector(found, "x", Deadline.in_ms(LATER)), bag_of_words("x"))

    with leased(small, encoder) as found:
        asyncio.run(ask(found))
    batches.close()
