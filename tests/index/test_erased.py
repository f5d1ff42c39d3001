"""What was removed leaves no text in any later release; what was erased leaves neither vector nor words."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from rag_pipeline.home import Home
from rag_pipeline.index import chroma
from rag_pipeline.index.base import ERASED
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.manifest import Manifest, Origin
from rag_pipeline.index.verify import verify_release
from rag_pipeline.ingest.erase import erased, note_erased, note_left
from rag_pipeline.ingest.tables import source_tables
from tests.support.numbered_chunks import rewrite
from tests.support.residue import Found, Needles, residue
from tests.support.small_releases import NOW, bag_of_words, release_of

PLANTED = {f"secret{number}.md": f"Zq{chr(97 + number) * 3}vrx is what nobody else says {number}." for number in range(10)}
OTHERS = {f"page{number}.md": f"Page {number} speaks of subject {number} and of nothing else." for number in range(60)}

ALL = Needles(
    texts=list(PLANTED.values()),
    words=[text.split()[0] for text in PLANTED.values()],
    vectors=np.stack([bag_of_words(text) for text in PLANTED.values()]),
)


def night(home: Home, pages: dict[str, str], number: int) -> Manifest:
    return release_of(home, pages, now=NOW + timedelta(days=number)).manifest


def left(home: Home, manifest: Manifest, *hows: str) -> list[Found]:
    found = residue(home.release(manifest.id), ALL)
    return [one for one in found if not hows or one.how in hows]


def note(home: Home, keys: list[str]) -> None:
    documents = [f"handbook/{key}" for key in keys]
    note_erased(source_tables(home, "handbook"), documents, "retention", run_id="test", now=NOW)


def test_the_search_finds_what_is_there(home: Home) -> None:
    first = night(home, OTHERS | PLANTED, 0)
    found = left(home, first)
    for how, file in (("text", "sealed.sqlite3"), ("vector", "data_level0.bin"), ("term", "meta.json")):
        needles = {one.needle for one in found if one.how == how and one.file.endswith(file)}
        assert len(needles - set(ALL.words if how == "text" else ())) == len(PLANTED), how
    assert {one.needle for one in found if one.how == "postings"} == set(ALL.words)
    assert {one.needle for one in found if one.file == "chunks.parquet"} == {*ALL.texts, *ALL.words}


def test_no_later_release_holds_the_text_of_what_was_deleted_or_edited(home: Home) -> None:
    night(home, OTHERS | PLANTED, 0)
    gone = dict.fromkeys(list(PLANTED)[:5], "This page was edited, and says something else now.")
    second = night(home, OTHERS | gone, 1)
    assert second.origin.base, "by difference, which is what leaves residue"
    assert left(home, second, "text", "postings") == []
    third = night(home, OTHERS | {"new.md": "One more page."}, 2)
    assert third.origin.base == second.id
    assert left(home, third, "text", "postings") == []
    assert verify_release(home, third.id) == ()


def test_a_night_with_a_single_operation_leaves_nothing_either(home: Home) -> None:
    """Chroma's queue keeps the last operation, text and vector; and it does not flush fewer than two."""
    night(home, OTHERS, 0)
    second = night(home, OTHERS | dict([*PLANTED.items()][:1]), 1)
    assert (second.origin.added, second.origin.removed) == (1, 0)
    third = night(home, OTHERS | {"new.md": "One more page."}, 2)
    fourth = night(home, OTHERS | {"new.md": "One more page.", **dict([*PLANTED.items()][1:2])}, 3)
    fifth = night(home, OTHERS | {"new.md": "One more page."} | {"page0.md": "Edited."}, 4)
    for manifest in (third, fifth):
        assert manifest.origin.base
        found = left(home, manifest)
        assert {one.file.rpartition("/")[2] for one in found} <= {"data_level0.bin", "meta.json"}, manifest.id
    assert verify_release(home, fourth.id) == verify_release(home, fifth.id) == ()


def test_a_release_of_an_older_pipeline_passes_no_text_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    night(home, OTHERS | PLANTED, 0)
    with monkeypatch.context() as before:
        before.setattr(chroma, "compact", lambda folder: None)
        second = night(home, OTHERS, 1)
    assert left(home, second, "text")
    rewrite(home, second, origin=second.origin.model_copy(update={"compacted": False}))
    third = night(home, OTHERS | {"new.md": "One more page."}, 2)
    assert (third.origin.base, third.origin.removed) == (second.id, 0)
    assert left(home, third, "text", "postings") == []


def test_the_release_after_an_erasure_is_built_whole_and_holds_neither_vectors_nor_words(home: Home) -> None:
    night(home, OTHERS | PLANTED, 0)
    note(home, list(PLANTED))
    second = night(home, OTHERS, 1)
    assert second.origin == Origin(rebuilt_because=ERASED, compacted=True, erased=len(PLANTED))
    assert left(home, second) == []
    third = night(home, OTHERS | {"new.md": "One more page."}, 2)
    assert third.origin.base == second.id, "only the night of the erasure pays"
    assert left(home, third) == []


def test_what_was_edited_before_it_was_erased_is_gone_too(home: Home) -> None:
    night(home, OTHERS | PLANTED, 0)
    edited = night(home, OTHERS | {key: f"Edited {key}." for key in PLANTED}, 1)
    assert edited.origin.base and left(home, edited, "vector")
    note(home, list(PLANTED))
    assert left(home, night(home, OTHERS, 2)) == []


def test_a_release_built_between_the_note_and_the_removal_is_not_built_upon(home: Home) -> None:
    """A process died after it noted an erasure, and somebody built a release before the next load."""
    night(home, OTHERS | PLANTED, 0)
    note(home, list(PLANTED))
    between = night(home, OTHERS | PLANTED | {"new.md": "One more page."}, 1)
    assert between.origin.rebuilt_because == ERASED
    after = night(home, OTHERS, 2)
    assert after.origin.rebuilt_because == ERASED
    assert left(home, after) == []


def test_an_older_release_of_the_same_content_is_not_named_again_if_a_dead_slot_may_hold_what_was_erased(
    home: Home,
) -> None:
    night(home, OTHERS | PLANTED, 0)
    deleted = night(home, OTHERS, 1)
    assert deleted.origin.dead_slots and left(home, deleted, "vector")
    night(home, OTHERS | PLANTED, 2)
    note(home, list(PLANTED))
    again = night(home, OTHERS, 3)
    assert again.fingerprint == deleted.fingerprint and again.id != deleted.id
    assert left(home, again) == []


def test_what_left_long_ago_goes_for_good_when_somebody_asks(home: Home) -> None:
    night(home, OTHERS | PLANTED, 0)
    deleted = night(home, OTHERS, 1)
    note_left(source_tables(home, "handbook"), "asked", run_id="test", now=NOW)
    assert erased(home).notes == 1
    again = night(home, OTHERS, 2)
    assert again.fingerprint == deleted.fingerprint and again.id != deleted.id
    assert left(home, again) == []
    assert night(home, OTHERS, 3) == again


def test_a_repaired_release_that_holds_what_was_erased_since_is_not_built_upon(home: Home, tmp_path: Path) -> None:
    first = night(home, OTHERS | PLANTED, 0)
    note(home, list(PLANTED))
    (tmp_path / "releases" / first.id / "stray").touch()
    twin = rebuild_release(home, first, run_id="repair", now=NOW + timedelta(days=1)).manifest
    assert twin.origin.erased == 0 and left(home, twin, "vector")
    after = night(home, OTHERS, 2)
    assert after.origin.rebuilt_because == ERASED
    assert left(home, after) == []


def test_a_page_that_comes_back_after_it_was_erased_may_be_edited_by_difference(home: Home) -> None:
    """Or its every edit would build a release whole, for ever."""
    key, text = next(iter(PLANTED.items()))
    night(home, OTHERS | {key: text}, 0)
    note(home, [key])
    night(home, OTHERS, 1)
    back = night(home, OTHERS | {key: "It came back, and says something else."}, 2)
    edited = night(home, OTHERS | {key: "It was edited after that."}, 3)
    assert (back.origin.rebuilt_because, edited.origin.rebuilt_because) == ("", "")
