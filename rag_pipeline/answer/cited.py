"""What an answer is made of: passages that were retrieved, and sentences with the places that they stand in."""

from collections.abc import Iterable
from dataclasses import dataclass

from rag_pipeline.golden.quotes import Folded, find
from rag_pipeline.index.retrieve import Hit


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved chunk. `start`: where its text begins in its document, in characters."""

    chunk_id: str
    document_id: str
    source: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a sentence comes from. `quote` is `document[start:end]`, to the letter."""

    chunk_id: str
    document_id: str
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cited:
    """One sentence of an answer. `support`: how near it is to the question; comparable within one answer only."""

    text: str
    support: float
    citations: tuple[Citation, ...]


def passages_of(hits: Iterable[Hit]) -> tuple[Passage, ...]:
    """Retrieved chunks as passages, best first."""
    return tuple(Passage(hit.chunk_id, hit.document_id, hit.source, hit.text, hit.start) for hit in hits)


def cite(passage: Passage, quote: str) -> Citation | None:
    """Where a quote stands in a passage: to the letter, or but for white space, case and punctuation; None: nowhere.

    Of several places it is the first. Words and numbers must agree (`golden.quotes`).
    """
    found = find(Folded(passage.text), quote)
    if found is None:
        return None
    return cut_out(passage, found.start, found.end)


def cut_out(passage: Passage, start: int, end: int) -> Citation:
    """The citation of `passage.text[start:end]`."""
    return Citation(
        passage.chunk_id, passage.document_id, passage.text[start:end], passage.start + start, passage.start + end
    )


def stands(citation: Citation, passages: Iterable[Passage]) -> bool:
    """Whether a citation is what it says it is, to the letter: looked at once more before anything is sent."""
    for one in passages:
        if one.chunk_id == citation.chunk_id:
            first, last = citation.start - one.start, citation.end - one.start
            return bool(citation.quote) and 0 <= first < last and one.text[first:last] == citation.quote
    return False
