from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.errors import ReleaseError
from rag_pipeline.evaluate.chunk_spans import Places, places_of, whole
from rag_pipeline.golden.quotes import Folded
from rag_pipeline.home import CHUNKS_FILE, Home
from rag_pipeline.index.fusion import Ranking
from rag_pipeline.index.release_chunks import contents
from tests.support.golden_sets import doc, living, on_bench, quote, quoting
from tests.support.release_damage import flip_a_bit
from tests.support.small_releases import release_of, store_documents

LONG = "\n\n".join(
    [
        "# Leave",
        *(
            f"Paragraph {number} says that some people of team {number} have days off, and that others do not.\n"
            for number in range(12)
        ),
        "## The end\n\n- Days that are left expire in March.\n- Nobody loses thirty days.",
    ]
)
SHORT = "# Travel\n\nTrains are booked in second class."
PAGES = {"leave.md": LONG, "travel.md": SHORT}
MARCH, TRAINS = "left expire in March", "booked in second class"


DOCUMENTS = [f"d{number}" for number in range(6)]
chunks = st.lists(st.tuples(st.sampled_from(DOCUMENTS), st.sampled_from([0.1, 0.2, 0.3, 0.4])), max_size=40)


@settings(max_examples=50, deadline=None)
@given(chunks, st.integers(1, 8))
def test_the_best_documents_are_those_of_the_best_chunks_equals_by_id(rows: list[tuple[str, float]], k: int) -> None:
    ids = [f"c{number:02}" for number in range(len(rows))]
    places = Places({chunk: (name, 0, 0) for chunk, (name, _) in zip(ids, rows, strict=True)}, {})
    ranking: Ranking = sorted(
        ((name, score) for name, (_, score) in zip(ids, rows, strict=True)), key=lambda row: (-row[1], row[0])
    )
    best = {name: max(score for other, score in rows if other == name) for name, _ in rows}
    assert places.best_documents(ranking, k) == sorted(best, key=lambda name: (-best[name], name))[:k]


@settings(max_examples=50, deadline=None)
@given(st.text("ab \n.é東", max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), max_size=8))
def test_a_text_is_put_together_from_pieces_that_overlap_touch_or_leave_holes(
    text: str, spans: list[tuple[int, int]]
) -> None:
    pieces = [(start, text[start : start + length]) for start, length in spans if start < len(text)]
    held = {place for start, piece in pieces for place in range(start, start + len(piece))}
    end = max((start + len(piece) for start, piece in pieces), default=0)
    assert whole(pieces) == "".join(text[place] if place in held else " " for place in range(end))
    assert whole(pieces[::-1]) == whole(pieces)


def test_a_document_is_rebuilt_from_the_chunks_of_a_release_but_for_blanks_between_them(home: Home, tmp_path: Path) -> None:
    manifest = release_of(home, PAGES).manifest
    rows = contents(tmp_path / "releases" / manifest.id, manifest).collect()
    places = places_of(home, manifest, rows["chunk_id"], {doc("leave")})
    assert (rows["document_id"] == doc("leave")).sum() > 3, "it is cut into several"
    assert places.texts.keys() == {doc("leave")}, "only texts that are quoted are read"
    rebuilt = places.texts[doc("leave")].text
    assert len(rebuilt) <= len(LONG)
    assert all(there == was or (there == " " and was.isspace()) for there, was in zip(rebuilt, LONG, strict=False))
    assert not LONG[len(rebuilt) :].strip()
    for row in rows.iter_rows(named=True):
        assert places.span(row["chunk_id"]) == (row["document_id"], row["start"], row["end"])
        assert PAGES[row["document_id"].removeprefix("handbook/")][row["start"] : row["end"]] == row["text"]


def test_passages_are_found_in_the_releases_own_text_although_the_documents_moved_on(home: Home) -> None:
    old = release_of(home, PAGES).manifest
    store_documents(home, "handbook", {"leave.md": "# New\n\nNothing of it.", "travel.md": "More.\n\n" + SHORT})
    places = places_of(home, old, (), {doc("leave"), doc("travel")})
    start = LONG.index(MARCH)
    found = places.passages([quote(doc("leave"), MARCH, 7), quote(doc("travel"), "BOOKED in  second class!")])
    assert found[0] == (doc("leave"), start, start + len(MARCH))
    assert SHORT[found[1][1] : found[1][2]] == TRAINS


def test_passages_a_release_does_not_hold_stand_where_no_chunk_does_and_each_counts(tmp_path: Path) -> None:
    places = Places({}, {doc("travel"): Folded(SHORT)})
    found = places.passages([quote(doc("leave"), "x" * 10), quote(doc("travel"), TRAINS), quote(doc("travel"), "y" * 5)])
    nowhere = [span for span in found if span[0] != doc("travel")]
    assert len(nowhere) == 2 and {name for name, _, _ in nowhere} == {""}
    assert sum(end - start for _, start, end in nowhere) == 15
    assert len({place for _, start, end in nowhere for place in range(start, end)}) == 15, "none hides the other"


def test_a_passage_the_release_does_not_hold_counts_as_not_retrieved(home: Home) -> None:
    """The set was judged on today's documents, and production is older."""
    old = release_of(home, {"travel.md": SHORT}).manifest
    release_of(home, {"travel.md": SHORT, "leave.md": "# Leave\n\nThe days left expire in March."})
    metrics = ["span_recall@5", "span_precision@5", "judged@10"]
    both = [quote(doc("travel"), TRAINS), quote(doc("leave"), MARCH), quote(doc("leave"), "The days")]
    one = quoting({"trains booked": both, "expire march": [quote(doc("leave"), MARCH)]}, metrics=metrics, primary=metrics[0])
    alive = living(home, one)
    assert alive.unresolved == ()
    with on_bench(home, old.id) as bench:
        measured = bench.measure(alive, metrics)
    recall = measured.per_query["span_recall@5"]
    assert recall["trains booked"] == pytest.approx(len(TRAINS) / (len(TRAINS) + len(MARCH) + len("The days")))
    assert recall["expire march"] == measured.per_query["span_precision@5"]["expire march"] == 0.0


def test_a_release_whose_chunks_are_damaged_has_no_places(home: Home, tmp_path: Path) -> None:
    manifest = release_of(home, PAGES).manifest
    flip_a_bit(tmp_path / "releases" / manifest.id / CHUNKS_FILE)
    with pytest.raises(ReleaseError, match="is not the one it was built from"):
        places_of(home, manifest, (), set())
