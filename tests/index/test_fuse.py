"""Reciprocal rank fusion: what holds of any two rankings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.index.fusion import Ranking, fuse
from rag_pipeline.index.manifest import RetrievalParameters

rankings = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=12).map(
    lambda ids: [(name, 10.0 - place) for place, name in enumerate(ids)]
)
weights = st.floats(0, 1).map(lambda weight: round(weight, 3))
parameters = st.builds(
    RetrievalParameters, dense_weight=weights, rrf_k=st.integers(1, 100), depth=st.integers(1, 15), mode=st.just("hybrid")
)


def names(ranking: Ranking) -> list[str]:
    return [name for name, _ in ranking]


def test_the_score_is_the_weighted_sum_of_one_over_k_plus_place() -> None:
    found = fuse([("a", 0.9), ("b", 0.8)], [("b", 12.0), ("c", 3.0)], RetrievalParameters(dense_weight=0.25, rrf_k=60), 10)
    assert names(found) == ["b", "c", "a"]
    assert dict(found) == pytest.approx({"b": 0.25 / 62 + 0.75 / 61, "c": 0.75 / 62, "a": 0.25 / 61})


@given(rankings, rankings, parameters, st.integers(0, 20))
def test_a_fused_ranking_is_sorted_unique_and_made_of_what_stood_within_depth(
    dense: Ranking, lexical: Ranking, said: RetrievalParameters, depth: int
) -> None:
    found = fuse(dense, lexical, said, depth)
    assert len(found) == len({name for name, _ in found}) <= depth
    assert found == sorted(found, key=lambda row: (-row[1], row[0]))
    assert set(names(found)) <= set(names(dense[: said.depth])) | set(names(lexical[: said.depth]))
    assert all(0 < score <= 1 / (said.rrf_k + 1) + 1e-12 for _, score in found)


@given(rankings, rankings, parameters)
def test_a_shorter_answer_is_the_head_of_a_longer_one(dense: Ranking, lexical: Ranking, said: RetrievalParameters) -> None:
    assert fuse(dense, lexical, said, 3) == fuse(dense, lexical, said, 30)[:3]


@given(rankings, rankings, parameters)
def test_changing_places_changes_nothing_when_the_weights_change_places_too(
    dense: Ranking, lexical: Ranking, said: RetrievalParameters
) -> None:
    turned = said.model_copy(update={"dense_weight": 1 - said.dense_weight})
    one, other = fuse(dense, lexical, said, 30), fuse(lexical, dense, turned, 30)
    assert dict(one) == pytest.approx(dict(other))


@given(rankings, rankings, parameters)
def test_scores_of_the_rankings_play_no_part(dense: Ranking, lexical: Ranking, said: RetrievalParameters) -> None:
    flat = [(name, 0.0) for name in names(dense)]
    assert fuse(flat, lexical, said, 30) == fuse(dense, lexical, said, 30)


@given(rankings, rankings, st.integers(1, 15))
def test_with_all_the_weight_on_one_list_it_comes_out_as_it_was(dense: Ranking, lexical: Ranking, depth: int) -> None:
    only_dense = RetrievalParameters(dense_weight=1, depth=depth)
    only_lexical = RetrievalParameters(dense_weight=0, depth=depth)
    assert names(fuse(dense, lexical, only_dense, 30)) == names(dense[:depth])
    assert names(fuse(dense, lexical, only_lexical, 30)) == names(lexical[:depth])


@given(rankings, rankings, parameters)
def test_what_stands_first_in_both_comes_first(dense: Ranking, lexical: Ranking, said: RetrievalParameters) -> None:
    best = [("z", 99.0)]
    assert fuse(best + dense, best + lexical, said, 5)[0][0] == "z"
