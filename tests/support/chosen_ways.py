"""Nights on which a release chooses its way to retrieve."""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pytest

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.model import Vectors
from rag_pipeline.defs.candidate import build_as_chosen
from rag_pipeline.evaluate.choose import Choice, Chooser
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.index.build import Built, Recipe
from rag_pipeline.index.manifest import all_manifests
from tests.conftest import Workspace
from tests.support.small_releases import NOW, CountingEncoder, SmallModel, bag_of_words, chunker, recipe, store_documents

LATER = NOW + timedelta(days=1)


COUNT = 60


def places(text: str) -> set[int]:
    """Where a bag of words keeps its words."""
    return set(np.flatnonzero(bag_of_words(text) > 0.1).tolist())


def page(name: str) -> str:
    return f"# Part\n\nThe animal{name} has the number qx{name}."


def apart() -> list[str]:
    """Names of pages that no bag of words mixes up: with chance, ties would be broken one way by meaning, another fused."""
    names: list[str] = []
    taken = places("# Part The has the number some beast")
    for number in range(2_000):
        mine = places(f"animal{number:04}") | places(f"qx{number:04}")
        if len(mine) == 2 and not mine & taken and len(names) < COUNT:
            names.append(f"{number:04}")
            taken |= mine
    return names


NAMES = apart()


PAGES = {f"p{name}.md": page(name) for name in NAMES}


class Knowing(CountingEncoder):
    """Knows that a beast is an animal, and of a number only that it is one."""

    def queries(self, texts: list[str]) -> Vectors:
        return np.stack([bag_of_words(text.replace("beast", "animal").replace("qx", "some number ")) for text in texts])


@dataclass(frozen=True)
class Model(SmallModel):
    fingerprint: str = "knowing"

    def load(self) -> Knowing:
        return Knowing()


BY_WORDS = {f"qx{name}": [f"handbook/p{name}.md"] for name in NAMES}


@dataclass
class Nights:
    """A home whose lake holds PAGES, and the way its releases are built every night."""

    workspace: Workspace

    @property
    def home(self) -> Home:
        return self.workspace.home

    @property
    def releases(self) -> list[str]:
        return [manifest.id for manifest in all_manifests(self.home.releases)]

    @property
    def choice(self) -> Choice:
        return Choice.model_validate_json(self.home.chosen_retrieval.read_bytes())

    def hold(self, texts: dict[str, str]) -> None:
        store_documents(self.home, "handbook", texts)
        update_chunks(self.home, ["handbook"], chunker())
        update_embeddings(self.home, Model(), Model().load)  # type: ignore[arg-type]

    def recipe(self, **changes: object) -> Recipe:
        return replace(recipe(Model()), **changes)  # type: ignore[arg-type]

    def build(self, by: Model | None = None, night: int = 0, **changes: object) -> Built:
        golden_sets = read_golden_sets(self.workspace.settings.evals)
        chooser = Chooser(self.home, self.recipe(**changes), golden_sets, by or Model())  # type: ignore[arg-type]
        return build_as_chosen(chooser, run_id="run", now=NOW + timedelta(days=night))


@pytest.fixture
def nights(workspace: Workspace) -> Nights:
    made = Nights(workspace)
    made.hold(PAGES)
    return made
