"""Candidates that are built: what a release of this corpus would answer if its documents, chunks or vectors were others."""

import math
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from benchmarks.gate.candidates import Pair, Served
from benchmarks.gate.library import Answers, Chunks, Document, Library
from rag_pipeline.files import fingerprint

SENTENCE = " The owner of this page looked at it in spring and found nothing to correct."
Kept = TypeVar("Kept")
Maker = Callable[[Library, Answers], list[Pair]]


def built(library: Library, work: Path) -> tuple[Served, list[Pair]]:
    """What each way to retrieve gives, and every candidate that is built. A second call finds them done.

    Raises `ValueError` where the documents, cut again, are not what the release holds: every candidate would be that, too.
    """
    told = fingerprint(list(library.asked.items()), library.chunks.frame["chunk_id"].to_list(), library.living.qrels)
    folder = work / library.name / f"lists_{told[:12]}"
    folder.mkdir(exist_ok=True)
    if set(library.cut(library.documents).frame["chunk_id"]) != set(library.chunks.frame["chunk_id"]):
        raise ValueError(f"{library.name}: its documents are cut in another way than its release was")
    served = _kept(folder / "served", lambda: library.answers(library.chunks, "dense", "lexical", "hybrid"))
    found = [_kept(folder / str(number), partial(maker, library, served["hybrid"])) for number, maker in enumerate(MAKERS)]
    return served, [pair for pairs in found for pair in pairs]


def _kept(file: Path, make: Callable[[], Kept]) -> Kept:
    if file.exists():
        return cast("Kept", pickle.loads(file.read_bytes()))
    made = make()
    file.write_bytes(pickle.dumps(made))
    return made


def _identical(library: Library, base: Answers) -> list[Pair]:
    return [Pair("identical", "harmless", base, base, library.everybody)]


def _graph(library: Library, base: Answers) -> list[Pair]:
    one, other = (library.answers(library.chunks, "hybrid", graph=seed)["hybrid"] for seed in (1, 2))
    return [Pair("graph built anew, in another order", "harmless", other, one, library.everybody)]


def _eight_bit(library: Library, base: Answers) -> list[Pair]:
    vectors = library.chunks.vectors
    scale = np.abs(vectors).max(axis=1, keepdims=True) / 127
    mine = _hybrid(library, library.chunks.moved(np.round(vectors / scale) * scale))
    return [Pair("vectors of 8 bit", "harmless", mine, base, library.everybody)]


def _noise(library: Library, base: Answers) -> list[Pair]:
    vectors = library.chunks.vectors
    near = vectors + (np.random.default_rng(5).normal(size=vectors.shape) * 0.002).astype(np.float32)
    mine = _hybrid(library, library.chunks.moved(near))
    return [Pair("vectors with noise, 4 % of their length", "movement", mine, base, library.everybody)]


def _sentence(library: Library, base: Answers) -> list[Pair]:
    unasked = library.unasked()[0]
    edited = [_with_text(one, one["text"] + SENTENCE, one["document_id"] == unasked) for one in library.documents]
    mine = _hybrid(library, library.cut(edited))
    return [Pair("one sentence more in a document nobody asks for", "harmless", mine, base, library.everybody)]


def _grown(percent: int, library: Library, base: Answers) -> list[Pair]:
    """What serves lacks some documents that no question is about; the candidate has them."""
    order = np.random.default_rng(7).permutation(library.unasked())
    held = frozenset(order[: max(1, round(percent / 100 * len(library.names)))].tolist())
    before = _hybrid(library, library.chunks.only(held, without=True))
    label, note = f"{percent} % more documents that nobody judged", f"{len(held)} documents"
    return [Pair(label, "harmless", base, before, library.everybody, new=held, note=note)]


def _missing(percent: int, library: Library, base: Answers) -> list[Pair]:
    """The same documents missing in the index alone, and at their source."""
    gone = _some_documents(library, percent)
    mine, note = _hybrid(library, library.chunks.only(gone, without=True)), f"{len(gone)} documents"
    label = f"{percent} % of the documents"
    return [
        Pair(f"{label} missing in the index", "loss", mine, base, library.everybody, note=note),
        Pair(f"{label} vanished at their source", "loss", mine, base, library.everybody, dead=gone, note=note),
    ]


def _halved(label: str, each: int, library: Library, base: Answers) -> list[Pair]:
    halved = [
        _with_text(one, one["text"][: len(one["text"]) // 2], place % each == 0)
        for place, one in enumerate(library.documents)
    ]
    return [Pair(label, "loss", _hybrid(library, library.cut(halved)), base, library.everybody)]


def _recut(tokens: int, library: Library, base: Answers) -> list[Pair]:
    mine = _hybrid(library, library.cut(library.documents, tokens=tokens))
    return [Pair(f"chunks of {tokens} tokens", "loss", mine, base, library.everybody)]


MAKERS: list[Maker] = [
    _identical,
    _graph,
    _noise,
    _eight_bit,
    _sentence,
    *(partial(_grown, percent) for percent in (1, 5, 10)),
    *(partial(_missing, percent) for percent in (2, 5, 10)),
    partial(_halved, "half of each document cut off", 1),
    partial(_halved, "half of the documents cut to half", 2),
    partial(_recut, 32),
]


def _hybrid(library: Library, chunks: Chunks) -> Answers:
    return library.answers(chunks, "hybrid")["hybrid"]


def _with_text(document: Document, text: str, changed: bool) -> Document:
    return document | {"text": text} if changed else document


def _some_documents(library: Library, percent: int) -> frozenset[str]:
    """So many of all documents, and of many draws the one that comes nearest to as many of the questions."""
    generator, best, off = np.random.default_rng(percent), frozenset[str](), 2.0
    asking = [{one for one, grade in of.items() if grade > 0} for of in library.living.qrels.values()]
    for _ in range(200):
        drawn = frozenset(generator.permutation(library.names)[: math.ceil(len(library.names) * percent / 100)].tolist())
        share = sum(bool(drawn & of) for of in asking) / len(asking)
        if abs(share - percent / 100) < off:
            best, off = drawn, abs(share - percent / 100)
    return best
