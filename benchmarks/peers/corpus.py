"""The feed that every system reads: real paragraphs, a few a document, and the edits of each night.

Nothing is random: the same arguments give the same feed. Documents are cut by this project's chunker, and where it cut
is written down, so that every system cuts there.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from benchmarks.peers.protocol import Document, text_hash
from rag_pipeline.corpus.chunking import chunker_of
from rag_pipeline.settings import Settings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "squad-dev"
PARAGRAPHS = 5
"""Paragraphs of an article in one document."""

_TEAMS = 7
_Thing = TypeVar("_Thing")


def documents_of(data: Path, wanted: int) -> tuple[list[Document], dict[str, str]]:
    """The first `wanted` documents, and which document each paragraph of the data went into."""
    lines = (data / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    documents: list[Document] = []
    places: dict[str, str] = {}
    for title, rows in groupby(map(json.loads, lines), key=lambda row: row["title"]):
        article = list(rows)
        for start in range(0, len(article), PARAGRAPHS):
            part = article[start : start + PARAGRAPHS]
            key = f"{title.replace(' ', '_')}/{start // PARAGRAPHS}"
            text = "\n\n".join(row["text"] for row in part)
            documents.append(Document(key, title, f"team-{len(documents) % _TEAMS}", text))
            places |= {row["_id"]: key for row in part}
    if wanted > len(documents):
        raise SystemExit(f"{data} gives {len(documents)} documents of {PARAGRAPHS} paragraphs; ask for fewer than {wanted}")
    kept = spread(documents, wanted)
    keys = {document.key for document in kept}
    return kept, {paragraph: key for paragraph, key in places.items() if key in keys}


def copied(documents: list[Document], copies: int) -> list[Document]:
    """The documents, and as many again with another key and a sentence of their own in every paragraph: a larger feed."""
    return documents + [_copy(document, number) for number in range(2, copies + 1) for document in documents]


def _copy(document: Document, number: int) -> Document:
    paragraphs = [f"{paragraph} So says copy {number}." for paragraph in document.text.split("\n\n")]
    return replace(document, key=f"{document.key}~{number}", text="\n\n".join(paragraphs))


def spread(things: list[_Thing], size: int, first: int = 0) -> list[_Thing]:
    """`size` of the things, evenly spaced."""
    return [things[(first + place * len(things) // size) % len(things)] for place in range(size)]


def share(documents: list[Document], percent: float) -> int:
    return max(1, round(len(documents) * percent / 100))


def edited(documents: list[Document], chosen: Iterable[Document], night: str) -> list[Document]:
    """The middle paragraph of each chosen document gets another sentence."""
    keys = {document.key for document in chosen}
    return [_edit(document, night) if document.key in keys else document for document in documents]


def without(documents: list[Document], chosen: Iterable[Document]) -> list[Document]:
    keys = {document.key for document in chosen}
    return [document for document in documents if document.key not in keys]


def retagged(documents: list[Document], chosen: Iterable[Document]) -> list[Document]:
    """The chosen documents get another team: no text changes."""
    keys = {document.key for document in chosen}
    return [replace(document, team="team-new") if document.key in keys else document for document in documents]


def _edit(document: Document, night: str) -> Document:
    paragraphs = document.text.split("\n\n")
    paragraphs[len(paragraphs) // 2] += f" This passage was corrected on the {night} night."
    return replace(document, text="\n\n".join(paragraphs))


def write_documents(path: Path, documents: list[Document]) -> None:
    lines = [json.dumps(asdict(document), ensure_ascii=False) + "\n" for document in documents]
    path.write_text("".join(lines), encoding="utf-8")


def cut(path: Path, documents: Iterable[Document], model: Path, tokens: int) -> None:
    """Write down where this project's chunker cuts each text; `tokens` 0: chunks as long as the model reads."""
    chunker = chunker_of(Settings(model=str(model), chunk_tokens=tokens))
    texts = {document.text for document in documents}
    spans = {text_hash(text): [(span.start, span.end) for span in chunker.spans(text)] for text in sorted(texts)}
    path.write_text(json.dumps({"tokens": chunker.max_tokens, "spans": spans}), encoding="utf-8")
