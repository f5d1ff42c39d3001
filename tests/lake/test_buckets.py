"""What is done bucket by bucket comes to what is done with everything at once."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_pipeline.lake import RowsFingerprint, buckets, fingerprint_rows, in_buckets

KEYS = st.text("0123456789abcdef", min_size=0, max_size=4)


def frame(keys: list[str]) -> pl.LazyFrame:
    return pl.LazyFrame({"key": keys, "place": range(len(keys))}, schema={"key": pl.String, "place": pl.UInt32})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "AT_ONCE", 3)
    monkeypatch.setattr(buckets, "_BATCH", 2)


@pytest.mark.usefixtures("small")
@settings(max_examples=25)
@given(left=st.lists(KEYS, max_size=20), right=st.lists(KEYS, max_size=60))
def test_every_row_comes_once_beside_the_others_of_its_key_in_ascending_buckets(left: list[str], right: list[str]) -> None:
    folder = Path("/tmp")
    found = list(in_buckets((frame(left), frame(right)), "key", max(len(left), len(right)), folder))
    for side, keys in enumerate((left, right)):
        rows = pl.concat([one[side] for one in found]) if found else frame([]).collect()
        assert rows.sort("place").equals(frame(keys).collect()), "nothing is lost or doubled"
        sorted_within = [key for one in found for key in one[side]["key"].sort()]
        assert sorted_within == sorted(keys), "so what is sorted bucket by bucket is sorted"
        for one in found:
            assert one[side]["place"].is_sorted(), "rows of a bucket stay in the order they came"
    joined = sum(one[0].join(one[1], on="key", how="semi").height for one in found)
    assert joined == frame(left).collect().join(frame(right).collect(), on="key", how="semi").height


def test_few_rows_are_one_bucket_and_nothing_is_written(tmp_path: Path) -> None:
    ((left, right),) = in_buckets((frame(["b", "a"]), frame([])), "key", 2, tmp_path / "never")
    assert (left["key"].to_list(), right.height) == (["b", "a"], 0)
    assert not (tmp_path / "never").exists()


@pytest.mark.usefixtures("small")
def test_the_files_have_no_name_so_a_killed_process_leaves_none(tmp_path: Path) -> None:
    reading = in_buckets((frame([f"{number:04x}" for number in range(0, 65_536, 999)]),), "key", 66, tmp_path / "spill")
    first = next(reading)[0].height
    assert list((tmp_path / "spill").iterdir()) == []
    assert first + sum(one[0].height for one in reading) == 66


@settings(max_examples=25)
@given(parts=st.lists(st.lists(KEYS, max_size=5), max_size=5))
def test_a_fingerprint_of_parts_is_that_of_the_whole(parts: list[list[str]]) -> None:
    found = RowsFingerprint()
    for keys in parts:
        found.add(pl.DataFrame({"key": keys}, schema={"key": pl.String}))
    whole = [key for keys in parts for key in keys]
    assert found.hex() == fingerprint_rows(pl.DataFrame({"key": whole}, schema={"key": pl.String}))
