"""Many threads search what a channel names: no answer is of two releases, and nobody waits while the next one opens."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from rag_pipeline.corpus.model import Encoder, Vectors
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.home import LEXICAL_FOLDER, Home
from rag_pipeline.index.manifest import MODES
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query, open_release
from rag_pipeline.release import serving
from rag_pipeline.release.leases import Leases
from rag_pipeline.release.retention import collect
from tests.conftest import Workspace
from tests.support.built_once import BuiltOnce
from tests.support.moving_channel import Town, until
from tests.support.readers import SUBJECTS, build
from tests.support.release_damage import delete_records, flip_a_bit
from tests.support.small_releases import SMALL, CountingEncoder, SmallModel, bag_of_words

THREADS, RELEASES, MOVES = 8, 4, 12
QUICK_S = 0.02
"""How often the tests have a channel looked at."""


@dataclass
class Asked(Town):
    """A town whose channel is held open."""

    def leases(self, model: Callable[[], SmallModel] | None = lambda: SMALL) -> Leases:
        return Leases(self.home, model=model, look_every_s=QUICK_S)  # type: ignore[arg-type]


@pytest.fixture
def town(built_once: BuiltOnce) -> Asked:
    home = Workspace(built_once.empty("leases")).home
    return Asked(
        home, built_once.state(home.root.parent, "four", lambda: [build(home, number) for number in range(RELEASES)])
    )


def alone(town: Asked, release: str, mode: str = "dense") -> dict[str, list[Hit]]:
    """Question -> what a release answers when nothing else is open."""
    with open_release(town.home, release, MODES) as opened:
        return {
            subject: opened.search(Query(f"about {subject} here", bag_of_words(f"about {subject} here")), 5, mode)  # type: ignore[arg-type]
            for subject in SUBJECTS
        }


def test_every_answer_is_that_of_one_release_alone_while_the_channel_moves_and_threads_ask(town: Asked) -> None:
    expected = {release: {mode: alone(town, release, mode) for mode in MODES} for release in town.releases}
    town.move(0)
    stop = threading.Event()
    seen: set[Any] = set()

    def ask(number: int) -> int:
        asked = 0
        while not stop.is_set() or asked < 30:
            subject, mode = SUBJECTS[(asked + number) % len(SUBJECTS)], MODES[(asked // 3) % 3]
            with leases.lease() as leased:
                hits = leased.search(f"about {subject} here", 5, mode)
                assert hits == expected[leased.manifest.id][mode][subject]
                seen.add(leased.manifest.id)
            asked += 1
        return asked

    with town.leases() as leases, ThreadPoolExecutor(THREADS) as pool:
        asking = [pool.submit(ask, number) for number in range(THREADS)]
        try:
            for move in range(1, MOVES + 1):
                wanted = town.move(move % RELEASES)
                if move % 2:  # every other move comes while the one before is being opened
                    until(lambda: leases.state.serving == wanted, f"{wanted} serves")  # noqa: B023
        finally:
            stop.set()
        asked = [one.result() for one in asking]
        assert sum(asked) >= THREADS * 30
        assert len(seen) >= 2
        until(lambda: len(list(town.home.views.glob("*.lock"))) == 2, "only the views of the one that serves are left")
    assert not list(town.home.views.iterdir())


@contextmanager
def slow_opening(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """The next release takes as long to open as the test likes: (it has begun, let it go on)."""
    begun, go_on = threading.Event(), threading.Event()

    @contextmanager
    def opening(home: Home, release: str, modes: None, *, device: str) -> Iterator[OpenRelease]:
        begun.set()
        assert go_on.wait(60)
        with open_release(home, release, modes, device=device) as opened:
            yield opened

    monkeypatch.setattr(serving, "open_release", opening)
    try:
        yield begun, go_on
    finally:
        go_on.set()


def test_nobody_waits_while_the_next_release_opens_and_a_lease_keeps_the_one_before_open(
    town: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = town.move(0)
    expected = alone(town, first)["cats"]
    with town.leases() as leases, slow_opening(monkeypatch) as (begun, go_on), leases.lease() as kept:
        second = town.move(1)
        assert begun.wait(30)
        with leases.lease() as leased:
            assert leased.manifest.id == first and leased.search("about cats here", 5) == expected
        until(lambda: leases.state.wanted == second, "it says what it opens")
        assert (leases.state.serving, leases.state.why_not) == (first, "")
        go_on.set()
        until(lambda: leases.state.serving == second, "it moved")
        with leases.lease() as leased:
            assert leased.manifest.id == second
        assert kept.search("about cats here", 5) == expected, "its lease is not over"


@pytest.mark.parametrize("harm", ["records", "words", "collected", "channel"])
def test_a_release_that_cannot_be_opened_leaves_the_last_good_one_serving_and_the_reason_is_told(
    town: Asked, harm: str
) -> None:
    first = town.move(0)
    with town.leases() as leases:
        wanted: str | None = town.releases[1]
        if harm == "records":
            delete_records(town.home.release(town.releases[1]), 1)
        elif harm == "words":
            [file] = (town.home.release(town.releases[1]) / LEXICAL_FOLDER).glob("*.term")
            flip_a_bit(file)
        elif harm == "collected":
            shutil.rmtree(town.home.release(town.releases[1]) / LEXICAL_FOLDER)
        if harm == "channel":
            town.home.channel("production").write_text("{", encoding="utf-8")
            wanted = None
        else:
            town.move(1)
        until(lambda: leases.state.why_not != "", "it says what is wrong")
        state = leases.state
        assert (state.serving, state.wanted) == (first, wanted)
        says = {"collected": "was removed while", "channel": "production.json is damaged"}.get(
            harm, f"release {wanted} is damaged"
        )
        assert says in state.why_not
        with leases.lease() as leased:
            assert leased.manifest.id == first and len(leased.search("about owls here", 3)) == 3
        if harm != "channel":
            third = town.move(2)
            until(lambda: leases.state.serving == third, "the next good one serves")
            assert leases.state.why_not == ""


def test_a_damaged_release_is_not_copied_with_every_look(town: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    first, tries = town.move(0), []

    @contextmanager
    def counted(home: Home, release: str, modes: None, *, device: str) -> Iterator[OpenRelease]:
        tries.append(release)
        with open_release(home, release, modes, device=device) as opened:
            yield opened

    channel = town.home.channel("production")
    with Leases(town.home, look_every_s=600) as leases:
        monkeypatch.setattr(serving, "open_release", counted)
        delete_records(town.home.release(town.releases[1]), 1)
        town.move(1)
        for look in range(5):  # whoever asks wakes the thread, as the file is another one
            os.utime(channel, (look, look))
            with leases.lease() as leased:
                assert leased.manifest.id == first
            until(lambda: leases._seen == leases._file_of_channel() and not leases._wake.is_set(), "it looked")
        until(lambda: "is damaged" in leases.state.why_not, "it says what is wrong")
        assert tries == [town.releases[1]]
        third = town.move(2)
        with leases.lease():
            pass
        until(lambda: leases.state.serving == third, "another release is tried at once")


@dataclass(frozen=True)
class Drifted(SmallModel):
    """The same files by name and hash, and other vectors."""

    def load(self) -> Encoder:
        class Other(CountingEncoder):
            def documents(self, texts: list[str]) -> Vectors:
                return super().documents(texts)[:, ::-1]

        return Other()


def test_an_encoder_that_gives_other_vectors_keeps_the_release_from_serving(town: Asked) -> None:
    first, model = town.move(0), [SMALL]
    with Leases(town.home, model=lambda: model[0], look_every_s=QUICK_S) as leases:  # type: ignore[arg-type, return-value]
        model[0] = Drifted()
        town.move(1)
        until(lambda: "does not give the vectors of release" in leases.state.why_not, "the canary is held against it")
        assert leases.state.serving == first
    with pytest.raises(PipelineError, match="does not give the vectors of release"):
        town.leases(Drifted)


def test_the_first_release_is_waited_for_and_what_keeps_it_is_raised(town: Asked) -> None:
    with pytest.raises(ReleaseError, match=r"channel production of .* points at nothing yet; run `rag refresh`"):
        town.leases()
    delete_records(town.home.release(town.move(0)), 1)
    with pytest.raises(ReleaseError, match=f"release {town.releases[0]} is damaged"):
        town.leases()
    assert not any(thread.name.startswith("leases-") for thread in threading.enumerate())
    assert not list(town.home.views.iterdir())


def test_without_a_model_questions_come_with_their_vectors(town: Asked) -> None:
    town.move(0)
    with town.leases(None) as leases, leases.lease() as leased:
        assert leased.search(bag_of_words("about cats here"), 1)[0].document_id == "handbook/cats.md"
        assert leased.search("about cats here", 1, "lexical")[0].document_id == "handbook/cats.md"
        with pytest.raises(ReleaseError, match="made without a model"):
            leased.search("about cats here", 1)


def test_closed_leases_give_no_more_and_wait_for_those_that_are_out(town: Asked) -> None:
    town.move(0)
    leases = town.leases()
    out, let_go = threading.Event(), threading.Event()

    def search() -> list[Hit]:
        with leases.lease() as leased:
            out.set()
            assert let_go.wait(30)
            return leased.search("about bees here", 2)

    with ThreadPoolExecutor(2) as pool:
        searching = pool.submit(search)
        assert out.wait(30)
        closing = pool.submit(leases.close)
        until(lambda: leases._closed, "it is closed")
        assert not closing.done() and list(town.home.views.iterdir())
        let_go.set()
        assert len(searching.result()) == 2
        closing.result()
    with pytest.raises(ReleaseError, match="these leases are closed"), leases.lease():
        pass
    leases.close()
    assert not list(town.home.views.iterdir())


def test_a_release_that_is_collected_while_it_serves_disturbs_nobody(town: Asked) -> None:
    first = town.move(0)
    expected = alone(town, first)["frogs"]
    with town.leases() as leases, leases.lease() as leased:
        for number in (1, 2, 3):
            town.move(number)
        collect(town.home, keep=1, days=30, model=SMALL.fingerprint)
        assert not town.home.release(first).exists()
        assert leased.search("about frogs here", 5) == expected
