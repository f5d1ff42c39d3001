from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.files import fingerprint_lines
from rag_pipeline.home import CHUNKS_FILE, Home
from rag_pipeline.index.release_chunks import content_fingerprint, contents, difference
from tests.support.small_releases import build, store_vectors, unit_vectors

CONTENTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.sampled_from(["p", "q", "r"]), max_size=20)
"""chunk id -> payload hash"""


def rows(content: dict[str, str]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {"chunk_id": list(content), "payload_hash": list(content.values())},
        schema={"chunk_id": pl.String, "payload_hash": pl.String},
    )


@given(CONTENTS, CONTENTS)
def test_the_difference_applied_to_the_base_gives_what_is_wanted_and_touches_nothing_else(
    base: dict[str, str], wanted: dict[str, str]
) -> None:
    removed, added = (ids.to_list() for ids in difference(rows(base), rows(wanted)))
    assert len(set(removed)) == len(removed) and len(set(added)) == len(added)
    left = {chunk: payload for chunk, payload in base.items() if chunk not in removed}
    assert not left.keys() & set(added), "an id that stays cannot be added: Chroma would keep the old record"
    assert left | {chunk: wanted[chunk] for chunk in added} == wanted
    same = base.items() & wanted.items()
    assert len(removed) + len(added) == len(base) + len(wanted) - 2 * len(same), "what is the same on both sides stays"


@given(CONTENTS)
def test_nothing_differs_from_itself(content: dict[str, str]) -> None:
    assert [len(ids) for ids in difference(rows(content), rows(dict(reversed(content.items()))))] == [0, 0]


def test_a_chunk_whose_payload_changed_is_both_removed_and_added() -> None:
    removed, added = difference(rows({"a": "p", "b": "p", "c": "p"}), rows({"b": "q", "c": "p", "d": "p"}))
    assert (sorted(removed), sorted(added)) == (["a", "b"], ["b", "d"])


@given(CONTENTS, CONTENTS)
def test_the_fingerprint_of_contents_knows_ids_and_payloads_but_no_order(one: dict[str, str], two: dict[str, str]) -> None:
    assert content_fingerprint(rows(one)) == content_fingerprint(rows(dict(reversed(one.items()))))
    assert (content_fingerprint(rows(one)) == content_fingerprint(rows(two))) == (one == two)


@given(CONTENTS)
def test_the_fingerprint_of_contents_is_the_one_releases_were_named_by_before(content: dict[str, str]) -> None:
    """Of the lines "id payload" in ascending order: kept releases are recognised by it."""
    lines = (f"{chunk} {payload}" for chunk, payload in sorted(content.items()))
    assert content_fingerprint(rows(content)) == fingerprint_lines(lines)


def test_a_release_keeps_the_very_rows_it_was_built_from(home: Home, tmp_path: Path) -> None:
    store_vectors(home, unit_vectors(30))
    stored = chunks_table(home).scan().collect().sort("chunk_id")
    manifest = build(home).manifest
    store_vectors(home, unit_vectors(5))
    assert contents(tmp_path / "releases" / manifest.id, manifest).collect().sort("chunk_id").equals(stored)
    assert CHUNKS_FILE in manifest.files


def test_a_release_without_its_chunks_says_what_cannot_be_done_with_it(home: Home, tmp_path: Path) -> None:
    store_vectors(home, unit_vectors(3))
    manifest = build(home).manifest
    release = tmp_path / "releases" / manifest.id
    with pytest.raises(ReleaseError, match=r"does not have chunks\.parquet, so it can be neither built upon nor repair"):
        contents(release, manifest.model_copy(update={"files": {}}))
    (release / CHUNKS_FILE).unlink()
    with pytest.raises(ReleaseError, match=r"does not have chunks\.parquet"):
        contents(release, manifest)
    (release / CHUNKS_FILE).write_bytes(b"PAR1")
    with pytest.raises(ReleaseError, match=r"its chunks\.parquet is not the one it was built from"):
        contents(release, manifest)
