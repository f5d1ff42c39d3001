"""Queries that quote the document they are judged by: words alone find those, so they flatter lexical search."""

from collections.abc import Iterable

from rag_pipeline.golden.words import words

RUN = 6
"""Consecutive words of a query, standing so in the document, that no one writes by chance."""
SHORTEST = 4
"""A whole query of 4 or 5 words counts too."""


class Words:
    """A document's words, so that many runs can be looked up in it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = f" {' '.join(words(text))} "

    def hold(self, run: Iterable[str]) -> bool:
        return f" {' '.join(run)} " in self._text


def quoted(query: list[str], document: Words) -> str:
    """The first run of a query's words that stands in a document, made as long as it goes; empty when there is none."""
    if len(query) < SHORTEST:
        return ""
    least = min(RUN, len(query))
    for start in range(len(query) - least + 1):
        end = start + least
        if document.hold(query[start:end]):
            while end < len(query) and document.hold(query[start : end + 1]):
                end += 1
            return " ".join(query[start:end])
    return ""
