from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.golden.pool import Pooled, _pool, is_judged
from rag_pipeline.golden.read import Reference
from rag_pipeline.index.release_chunks import Chunk


def chunk(document: str, start: int, text: str = "Every employee has thirty days.") -> Chunk:
    return Chunk(document, document.split("/")[0], "t", None, "h", start, start + len(text), text)


FOUND = {
    f"{source}{number}{place}": chunk(f"{source}/{number}", 10 * place)
    for source in "ab"
    for number in range(3)
    for place in range(3)
}
LISTS = st.lists(st.lists(st.sampled_from(sorted(FOUND)), unique=True, max_size=12), min_size=1, max_size=3)


@given(
    LISTS,
    st.randoms(use_true_random=False),
    st.integers(1, 4),
    st.sampled_from(["passages", "documents"]),
    st.sampled_from([None, "a"]),
)
def test_a_pool_holds_the_first_of_every_way_once_and_shows_not_which_found_it(
    lists: list[list[str]], random: "object", k: int, judges: str, source: str | None
) -> None:
    pool = _pool("q", lists, FOUND, k, judges, source)
    other_ways = list(lists)
    random.shuffle(other_ways)  # type: ignore[attr-defined]
    assert _pool("q", other_ways, FOUND, k, judges, source) == pool
    shown = [(one.document, one.passages) if judges == "passages" else one.document for one in pool]
    assert len(set(shown)) == len(shown)
    wanted = set()
    for ids in lists:
        mine = [
            one if judges == "passages" else FOUND[one].document_id for one in ids if source in (None, FOUND[one].source)
        ]
        wanted |= set(list(dict.fromkeys(mine))[:k])
    assert len(wanted) == len(pool)
    assert {one.document for one in pool} == {FOUND[one].document_id if one in FOUND else one for one in wanted}
    for one in pool:
        assert [passage.start for passage in one.passages] == sorted({passage.start for passage in one.passages})


def test_the_order_differs_from_query_to_query() -> None:
    lists = [sorted(FOUND)]
    orders = {
        tuple(one.passages[0] for one in _pool(f"q{number}", lists, FOUND, 18, "passages", None)) for number in range(5)
    }
    assert len(orders) == 5


def test_a_chunk_that_holds_a_relevant_quote_or_lies_within_a_judged_one_is_not_asked_again() -> None:
    one = Pooled("q", "a/1", (chunk("a/1", 0),))

    def judged(document: str, quote: str, grade: int) -> bool:
        return is_judged(one, [Reference(document, quote, None, grade)])

    assert judged("a/1", "thirty  days", 1)
    assert not judged("a/1", "thirty days", 0), "the rest of the chunk may answer"
    assert judged("a/1", "Leave. Every employee has thirty days. Ask early.", 0)
    assert not judged("a/2", "thirty days", 1)
    assert not judged("a/1", "days. Ask early.", 1)
