"""The measures from their definitions are those of trec_eval."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.metrics_again import score_again
from rag_pipeline.metrics.documents import NAMES, score

DOCUMENTS = [f"d{number}" for number in range(12)]
ALL = [f"{name}@{depth}" for name in NAMES for depth in (1, 3, 10)]

judged = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1, max_size=8)
ranked = st.permutations(DOCUMENTS).flatmap(lambda order: st.integers(0, 12).map(lambda count: order[:count]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(judged, ranked), min_size=1, max_size=4))
def test_every_measure_is_what_the_library_gives(queries: list[tuple[dict[str, int], list[str]]]) -> None:
    qrels = {f"q{number}": grades | {"d0": 1} for number, (grades, _) in enumerate(queries)}
    run = {f"q{number}": documents for number, (_, documents) in enumerate(queries)}
    library, again = score(ALL, qrels, run), score_again(ALL, qrels, run)
    for name in ALL:
        assert again[name] == pytest.approx(library[name], abs=1e-9), name


@pytest.mark.parametrize("name", ["nDCG", "nDCG@0", "nope@10", "nDCG@x"])
def test_an_unknown_measure_is_refused(name: str) -> None:
    with pytest.raises(GoldenSetError, match="unknown metric"):
        score_again([name], {"q": {"d": 1}}, {"q": ["d"]})
