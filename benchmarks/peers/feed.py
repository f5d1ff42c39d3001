"""The feed of a measurement on disk, changed from night to night, and what a store must hold after each."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.made_corpus import model_of_layers
from benchmarks.peers import corpus
from benchmarks.peers.protocol import Document, read_cuts
from benchmarks.peers.systems import Place
from benchmarks.peers.truth import Teller, Truth, farthest_apart
from rag_pipeline.corpus.model import model_of
from rag_pipeline.settings import Settings

_WEIGHTS = "model.safetensors"
_TABLE = "embeddings.word_embeddings.weight"


@dataclass
class Feed:
    """What every system reads at `place`. `publish` writes it and says the truth about it."""

    place: Place
    documents: list[Document]
    teller: Teller = field(default_factory=Teller)

    def publish(self, documents: list[Document], *, model: Path | None = None, tokens: int = 0) -> Truth:
        """Write the documents and where they are cut. A system must then hold what is returned."""
        self.place.documents.parent.mkdir(parents=True, exist_ok=True)
        corpus.write_documents(self.place.documents, documents)
        corpus.cut(self.place.cuts, documents, self.place.model, tokens)
        return self.teller.truth(documents, read_cuts(self.place.cuts), model or self.place.model)

    def make_models(self, layers: int = 0) -> None:
        """Two folders: `a`, the packaged model, or its first layers, and `b`, the same with a word table a little other."""
        packaged = model_of(Settings()).folder
        for folder in (self.place.model, self.place.other_model):
            shutil.rmtree(folder, ignore_errors=True)
            if layers:
                model_of_layers(folder, layers)
            else:
                shutil.copytree(packaged, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        disturb(self.place.other_model)

    def swap_weights(self) -> None:
        """Give `a` the weights of `b`, under its own name; once more, and each has its own again."""
        mine, other = self.place.model / _WEIGHTS, self.place.other_model / _WEIGHTS
        aside = mine.with_suffix(".aside")
        mine.rename(aside)
        other.rename(mine)
        aside.rename(other)

    def must_differ(self, first: Truth, second: Truth) -> None:
        """Refuse to measure with two models that cannot be told apart by their vectors."""
        if (apart := farthest_apart(first, second)) < 100 * 1e-5:
            raise SystemExit(f"the two models are only {apart:.6f} apart on some text; disturb the weights more")


def disturb(model: Path) -> None:
    """Add noise to the word table, as another training run would: every vector moves, answers stay about as good."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(model / _WEIGHTS)
    words = tensors[_TABLE]
    noise = np.random.default_rng(0).normal(0, 0.2 * float(words.std()), words.shape)
    tensors[_TABLE] = (words + noise).astype(words.dtype)
    save_file(tensors, model / _WEIGHTS, metadata={"format": "pt"})
