from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rag_pipeline.corpus import query_vectors as module
from rag_pipeline.corpus.model import Encoder, Vectors
from rag_pipeline.corpus.query_vectors import query_vectors, query_vectors_table
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint
from rag_pipeline.home import Home
from tests.support.small_releases import DIMENSIONS, CountingEncoder, bag_of_words

TEXTS = ["how many days", "which train", "a"]


@dataclass
class Asked(CountingEncoder):
    """Remembers the queries it was given, a list a call."""

    calls: list[list[str]] = field(default_factory=list)

    def queries(self, texts: list[str]) -> Vectors:
        self.calls.append(texts)
        return super().queries(texts)


def not_loaded() -> Encoder:
    raise AssertionError("the model was loaded for queries it knows")


def once(encoder: Encoder) -> Callable[[], Encoder]:
    return lambda: encoder


def expected(texts: list[str]) -> Vectors:
    return np.stack([bag_of_words(text) for text in texts])


def test_a_query_that_did_not_change_is_never_embedded_twice(home: Home) -> None:
    encoder = Asked()
    first = query_vectors(home, "small", once(encoder), TEXTS)
    np.testing.assert_array_equal(first, expected(TEXTS))
    np.testing.assert_array_equal(query_vectors(home, "small", not_loaded, TEXTS), first)
    query_vectors(home, "small", once(encoder), [*TEXTS, "new"])
    assert sorted(text for call in encoder.calls for text in call) == sorted([*TEXTS, "new"])
    assert encoder.calls[-1] == ["new"]


def test_another_model_embeds_again_and_does_not_answer_for_the_first(home: Home) -> None:
    query_vectors(home, "small", once(Asked()), TEXTS)

    class Other(Asked):
        def queries(self, texts: list[str]) -> Vectors:
            return -super().queries(texts)

    other = Other()
    np.testing.assert_array_equal(query_vectors(home, "other", once(other), TEXTS), -expected(TEXTS))
    assert len(other.calls) == 1
    np.testing.assert_array_equal(query_vectors(home, "small", not_loaded, TEXTS), expected(TEXTS))


def test_a_query_given_twice_is_embedded_once_and_answered_twice(home: Home) -> None:
    encoder, texts = Asked(), ["b c", "a", "b c", "b c"]
    np.testing.assert_array_equal(query_vectors(home, "small", once(encoder), texts), expected(texts))
    assert sorted(encoder.calls[0]) == ["a", "b c"]
    assert query_vectors_table(home).scan().collect().height == 2


def test_the_order_of_the_queries_is_kept_whatever_is_known_of_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    texts = [f"{'long ' * (number * 7 % 11)}query {number}" for number in range(20)]
    query_vectors(home, "small", once(Asked()), texts[5:9])
    encoder = Asked()
    np.testing.assert_array_equal(query_vectors(home, "small", once(encoder), texts), expected(texts))
    assert [len(call) for call in encoder.calls] == [3, 3, 3, 3, 3, 1]
    lengths = [len(text) for call in encoder.calls for text in call]
    assert lengths == sorted(lengths), "texts of one length lie in one batch"
    np.testing.assert_array_equal(query_vectors(home, "small", not_loaded, texts[::-1]), expected(texts[::-1]))


def test_no_query_needs_no_model(home: Home) -> None:
    assert len(query_vectors(home, "small", not_loaded, [])) == 0
    query_vectors(home, "small", once(Asked()), TEXTS)
    assert len(query_vectors(home, "small", not_loaded, [])) == 0


def test_the_table_holds_a_row_a_model_and_text_and_no_text(home: Home, tmp_path: Path) -> None:
    query_vectors(home, "small", once(Asked()), TEXTS)
    query_vectors(home, "other", once(Asked()), TEXTS[:1])
    table = query_vectors_table(home)
    assert table.path == tmp_path / "lake" / "query_vectors"
    rows = table.scan().collect()
    assert {(row["model"], row["text_hash"]) for row in rows.iter_rows(named=True)} == {
        *(("small", fingerprint(text)) for text in TEXTS),
        ("other", fingerprint(TEXTS[0])),
    }
    assert set(rows["vector"].list.len()) == {DIMENSIONS}
    held = {"model": pl.String, "text_hash": pl.String, "vector": pl.List(pl.Float32), "crc32": pl.Int64}
    assert rows.schema == held


@pytest.mark.parametrize(("bad", "says"), [(np.nan, "NaN or infinity"), (0.0, "zero vector")])
def test_a_vector_no_index_can_use_is_refused_and_not_stored(home: Home, bad: float, says: str) -> None:
    class Broken(Asked):
        def queries(self, texts: list[str]) -> Vectors:
            return np.full((len(texts), DIMENSIONS), bad, dtype=np.float32)

    with pytest.raises(PipelineError, match=says):
        query_vectors(home, "small", once(Broken()), TEXTS)
    np.testing.assert_array_equal(query_vectors(home, "small", once(Asked()), TEXTS), expected(TEXTS))


def test_a_model_that_dies_leaves_nothing_half_known(home: Home) -> None:
    class Dying(Asked):
        def queries(self, texts: list[str]) -> Vectors:
            raise RuntimeError("the machine went away")

    with pytest.raises(RuntimeError, match="went away"):
        query_vectors(home, "small", once(Dying()), TEXTS)
    encoder = Asked()
    query_vectors(home, "small", once(encoder), TEXTS)
    assert sorted(encoder.calls[0]) == sorted(TEXTS)
