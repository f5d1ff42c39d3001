"""A chunk with those before and behind it in its document, as far as they may be read."""

from dataclasses import dataclass

from rag_pipeline.index.retrieve import Hit, OpenRelease

MOST = 5
"""Chunks on each side at most."""


@dataclass(frozen=True, slots=True)
class Around:
    """One chunk, and its neighbors in the order of the document."""

    chunk: Hit
    before: tuple[Hit, ...] = ()
    after: tuple[Hit, ...] = ()


def around(release: OpenRelease, chunk_id: str, each: int) -> Around | None:
    """A chunk by its id with `each` neighbors on each side at most; None when the release has no such chunk to be read."""
    found = release.read(chunk_id)
    if not found or not each:
        return Around(found[0]) if found else None
    chunk = found[0]
    others = release.read(*sorted(release.chunks_of([chunk.document_id])))
    order = sorted(others, key=lambda one: (one.start, one.end, one.chunk_id))
    place = [one.chunk_id for one in order].index(chunk_id)
    return Around(chunk, tuple(order[max(0, place - each) : place]), tuple(order[place + 1 : place + 1 + each]))
