"""A chunk comes with its neighbors in their order, as far as they may be read."""

from collections.abc import Iterator

import pytest

from rag_pipeline.home import Home
from rag_pipeline.index.neighbors import Around, around
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.index.retrieve import OpenRelease, open_release
from tests.support.small_releases import release_of

SECTIONS = [f"# Part {number}\n\nThis is what part {number} says of cats." for number in range(6)]


@pytest.fixture
def release(home: Home) -> Iterator[OpenRelease]:
    built = release_of(home, {"long.md": "\n\n".join(SECTIONS), "other.md": "# Other\n\nDogs."}).manifest
    with open_release(home, built.id) as opened:
        yield opened


@pytest.fixture
def chunks(release: OpenRelease, home: Home) -> list[str]:
    """Ids of the chunks of the long document, in its order."""
    rows = contents(home.release(release.manifest.id), release.manifest).collect()
    mine = rows.filter(rows["document_id"] == "handbook/long.md").sort("start")["chunk_id"].to_list()
    assert len(mine) == len(SECTIONS)
    return mine


def ids(found: Around | None) -> tuple[list[str], str, list[str]]:
    assert found is not None
    return [one.chunk_id for one in found.before], found.chunk.chunk_id, [one.chunk_id for one in found.after]


@pytest.mark.parametrize("each", [0, 1, 2, 5])
def test_neighbors_stand_as_in_the_document_and_end_where_it_does(
    release: OpenRelease, chunks: list[str], each: int
) -> None:
    for place, chunk in enumerate(chunks):
        before, after = chunks[max(0, place - each) : place], chunks[place + 1 : place + 1 + each]
        assert ids(around(release, chunk, each)) == (before, chunk, after)


def test_what_is_hidden_is_no_neighbor_and_has_none(release: OpenRelease, chunks: list[str]) -> None:
    reader = release.without(frozenset({chunks[2]}))
    assert ids(around(reader, chunks[1], 2)) == ([chunks[0]], chunks[1], [chunks[3], chunks[4]])
    assert around(reader, chunks[2], 2) is None
    assert around(release.readable_by(()), chunks[2], 2) is None
    assert around(release, "0" * 32, 2) is None
