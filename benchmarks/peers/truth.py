"""What a store must hold, worked out from documents, cuts and model alone, and one judge for all systems.

Vectors come from plain sentence-transformers, not from this project's encoder.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.protocol import Cuts, Document, Row
from rag_pipeline.files import file_sha256

SAME = 1e-4
"""Cosine distance below which two vectors are taken for the same; what stands beside a text in a batch moves it 1e-6."""

_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Truth:
    """Every row a store must hold: (document, text) -> how often, with the document's metadata and the text's vector."""

    rows: Counter[tuple[str, str]]
    metadata: dict[str, tuple[str, str]]
    vectors: dict[str, np.ndarray]

    @property
    def texts(self) -> set[str]:
        return {text for _, text in self.rows}


NOTHING = Truth(Counter(), {}, {})


@dataclass(frozen=True)
class Verdict:
    """What is in a store, row by row against the truth."""

    expected: int
    right: int
    lost: int = 0
    """Rows that should be there and are not."""
    stale: int = 0
    """Rows that are there and should not be."""
    wrong_vectors: int = 0
    """Rows with the right text and the vector of something else."""
    wrong_metadata: int = 0
    ids_twice: int = 0

    @property
    def whole(self) -> bool:
        return self.right == self.expected and not (self.stale or self.ids_twice)

    def __str__(self) -> str:
        parts = {
            "lost": self.lost,
            "stale": self.stale,
            "wrong vectors": self.wrong_vectors,
            "wrong metadata": self.wrong_metadata,
            "ids twice": self.ids_twice,
        }
        return "right" if self.whole else ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)


@dataclass
class Teller:
    """Works truths out, embedding each text once for each state of the weights."""

    _known: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def truth(self, documents: Iterable[Document], cuts: Cuts, model: Path) -> Truth:
        rows: Counter[tuple[str, str]] = Counter()
        metadata = {}
        for document in documents:
            metadata[document.key] = (document.title, document.team)
            rows.update((document.key, piece) for piece in cuts.pieces(document.text))
        return Truth(rows, metadata, self._vectors({text for _, text in rows}, model))

    def _vectors(self, texts: set[str], model: Path) -> dict[str, np.ndarray]:
        weights = file_sha256(model / _WEIGHTS)
        if new := sorted(text for text in texts if (weights, text) not in self._known):
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging

            logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            found = SentenceTransformer(str(model), device="cpu", local_files_only=True).encode(
                new, normalize_embeddings=True, show_progress_bar=False
            )
            self._known |= {(weights, text): vector for text, vector in zip(new, found, strict=True)}
        return {text: self._known[weights, text] for text in texts}


def judge(rows: list[Row], truth: Truth) -> Verdict:
    """Each stored row takes the place of one expected row; of several that could, one with the right metadata goes first."""
    wanted = Counter(truth.rows)
    found = Counter[str]()
    for row in sorted(rows, key=lambda row: not _is_tagged(row, truth)):
        pair = (row["key"], row["text"])
        if not wanted[pair]:
            found["stale"] += 1
            continue
        wanted[pair] -= 1
        wrong = [] if _is_tagged(row, truth) else ["wrong_metadata"]
        wrong += [] if _is_near(row["vector"], truth.vectors[row["text"]]) else ["wrong_vectors"]
        found.update(wrong or ["right"])
    twice = len(rows) - len({row["id"] for row in rows})
    expected = truth.rows.total()
    return Verdict(expected=expected, lost=wanted.total(), ids_twice=twice, **({"right": 0} | dict(found)))


def farthest_apart(first: Truth, second: Truth) -> float:
    """Least cosine distance between the two vectors of a text that both know: a changed model must move every text."""
    both = first.texts & second.texts
    return min(1 - float(first.vectors[text] @ second.vectors[text]) for text in both)


def _is_tagged(row: Row, truth: Truth) -> bool:
    return truth.metadata.get(row["key"]) == (row["title"], row["team"])


def _is_near(stored: Any, wanted: np.ndarray) -> bool:
    vector = np.asarray(stored, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    return bool(length and 1 - float(vector @ wanted) / length < SAME)
