"""A choice that is damaged, of another format, or was killed half-way is made again."""

import json
import multiprocessing
import os
import signal
from dataclasses import dataclass

import pytest

from rag_pipeline.index.verify import verify_release
from tests.support.chosen_ways import BY_WORDS, LATER, Knowing, Model, Nights, nights

__all__ = ["nights"]


@dataclass(frozen=True)
class Dying(Model):
    """Between the release that is built to be measured and the one that is served."""

    def load(self) -> Knowing:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"made_for": "x"}', "\udcff"])
def test_a_damaged_choice_is_made_again(nights: Nights, damage: str) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    first, choice = nights.build(), nights.choice
    nights.home.chosen_retrieval.write_bytes(damage.encode("utf-8", "surrogateescape"))
    again = nights.build(night=1)
    assert (again.manifest, again.new) == (first.manifest, False)
    assert nights.choice == choice.model_copy(update={"at": LATER})
    assert nights.releases == [first.manifest.id]


def test_a_choice_of_another_format_is_made_again(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    nights.build()
    said = json.loads(nights.home.chosen_retrieval.read_text(encoding="utf-8"))
    nights.home.chosen_retrieval.write_text(json.dumps(said | {"of a later pipeline": 1}), encoding="utf-8")
    nights.build(night=1)
    assert nights.choice.at == LATER


def test_killed_between_the_two_builds_the_home_is_as_good_as_before(nights: Nights) -> None:
    nights.workspace.golden("questions", BY_WORDS)
    child = multiprocessing.get_context("spawn").Process(target=nights.build, args=(Dying(),))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    [left] = nights.releases
    assert verify_release(nights.home, left) == () and not nights.home.chosen_retrieval.exists()
    built = nights.build(night=1)
    assert built.manifest.retrieval.mode == "lexical" and nights.choice.release == built.manifest.id
    assert verify_release(nights.home, built.manifest.id) == ()
    assert not [path for path in nights.home.views.iterdir() if path.is_dir()]
