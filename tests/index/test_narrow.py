"""Narrowing: what is left is ranked as if the rest was never there, and nothing comes in that was not there before."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index import chroma, lexical, nearest, sketch, stored_vectors
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.narrow import Narrow, Value
from rag_pipeline.index.retrieve import Hit, OpenRelease, Query, open_release
from rag_pipeline.index.sketch import Read, Sketch
from rag_pipeline.index.stored_vectors import _Plain
from tests.support.labelled import Page, labelled_release
from tests.support.small_releases import bag_of_words

KINDS = ["cats", "dogs", "owls", "fish", "hens", "bees"]
PAGES: dict[str, Page] = {
    f"{kind[0]}{number}.md": (f"# {kind}\n\n{kind} and {KINDS[number % 6]} number {number}.", access)
    for number in range(36)
    for kind, access in [(KINDS[number // 6], (None, "hr", "board")[number % 3])]
}
QUESTIONS = ("cats and dogs", "owls number 14", "bees", "fish hens 3", "zebras")


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Manifest]:
    """A release nobody may change."""
    home = Home(tmp_path_factory.mktemp("zoo"))
    return home, labelled_release(home, PAGES)


CHOICES: list[tuple[tuple[str, ...], dict[str, list[Value]]]] = [
    ((), {}),
    (("open",), {}),
    (("closed",), {"team": ["c", "d"]}),
    ((), {"team": ["o"]}),
    (("open", "closed"), {"team": ["f", "h", "zzz"]}),
    ((), {"team": ["none of them"]}),
]


@pytest.mark.parametrize("plan", ["named and exact", "sketched", "asked, then sketched", "searched deeper"])
@pytest.mark.parametrize(("sources", "columns"), CHOICES)
def test_what_is_left_is_ranked_as_exact_search_over_it_ranks_it(
    zoo: tuple[Home, Manifest],
    monkeypatch: pytest.MonkeyPatch,
    plan: str,
    sources: tuple[str, ...],
    columns: dict[str, list[Value]],
) -> None:
    monkeypatch.setattr(lexical, "_AS_NAMED", 0 if plan == "named and exact" else 10_000)
    if plan != "named and exact":
        monkeypatch.setattr(nearest, "_MOST_EXACT", 0)
        monkeypatch.setattr(lexical, "_DEEPER", 0.01)
        monkeypatch.setattr(sketch, "_FIRST", 8)
        monkeypatch.setattr(sketch, "_AXES", 16)
    if plan in ("asked, then sketched", "searched deeper"):
        monkeypatch.setattr(nearest, "_MOST_SKETCHED", 0)
        monkeypatch.setattr(nearest, "_DEEPER", 0.01)
    if plan == "searched deeper":
        monkeypatch.setattr(chroma.Opened, "vectors", lambda *_: None)
    home, manifest = zoo
    with open_release(home, manifest.id, ["hybrid"]) as opened:
        for reads in (["all"], ["public", "hr"]):
            reader = opened.readable_by(reads)
            narrowed = reader.narrowed(Narrow.of(sources, columns))
            for question in QUESTIONS:
                query = Query(question, bag_of_words(question))
                for mode in ("dense", "lexical"):
                    every = reader.search(query, 1000, mode)
                    left = [hit for hit in every if _left(hit, sources, columns)][:5]
                    found = narrowed.search(query, 5, mode)
                    assert all(_left(hit, sources, columns) for hit in found) and len(found) == len(left), (question, mode)
                    np.testing.assert_allclose([hit.score for hit in found], [hit.score for hit in left], atol=2e-6)


def _left(hit: Any, sources: tuple[str, ...], columns: dict[str, list[Value]]) -> bool:
    named = not sources or hit.source in sources
    return named and all(hit.metadata[name] in values for name, values in columns.items())


def test_a_narrowed_release_is_never_wider(zoo: tuple[Home, Manifest]) -> None:
    home, manifest = zoo
    query = Query("cats", bag_of_words("cats"))
    with open_release(home, manifest.id, ["hybrid"]) as opened:
        reader = opened.readable_by(["hr"])
        mine = documents(reader, query)
        for choice in CHOICES:
            assert documents(reader.narrowed(Narrow.of(*choice)), query) <= mine
        assert documents(reader.narrowed(Narrow.of(["open"])), query) == set()
        assert documents(opened.readable_by([]).narrowed(Narrow()), query) == set()


def test_nobody_waits_for_sketches_and_only_who_narrows_among_many_rows_has_them_made(
    zoo: tuple[Home, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, manifest = zoo
    asked_for, may_begin, make = threading.Event(), threading.Event(), Sketch.of

    def slowly(count: int, read: Read) -> Sketch:
        asked_for.set()
        may_begin.wait(60)
        return make(count, read)

    monkeypatch.setattr(Sketch, "of", slowly)
    monkeypatch.setattr(stored_vectors, "_AT_ONCE", 0)
    query = Query("cats", bag_of_words("cats and owls"))
    with open_release(home, manifest.id, ["dense"]) as opened:
        narrowed = opened.narrowed(Narrow.of(["open", "closed"], {"team": ["c", "o"]}))
        truly = narrowed.search(query, 5)
        opened.search(query, 5)
        assert len(truly) == 5 and not asked_for.is_set()
        for name in ("_MOST_EXACT", "_FEW"):
            monkeypatch.setattr(nearest, name, 0)
        opened.search(query, 5)
        assert not asked_for.is_set()
        same(narrowed.search(query, 5), truly)
        assert asked_for.is_set() and not may_begin.is_set()
        may_begin.set()
        for thread in [one for one in threading.enumerate() if one.name == "sketch"]:
            thread.join()
        monkeypatch.delattr(nearest, "_dropped")  # it is not needed any more
        same(narrowed.search(query, 5), truly)


def same(found: list[Hit], truly: list[Hit]) -> None:
    assert {hit.chunk_id for hit in found} == {hit.chunk_id for hit in truly}
    np.testing.assert_allclose([hit.score for hit in found], [hit.score for hit in truly], atol=2e-6)


def documents(opened: OpenRelease, query: Query) -> set[str]:
    return {hit.document_id for mode in ("dense", "lexical", "hybrid") for hit in opened.search(query, 99, mode)}


def test_what_is_not_there_is_named_and_what_is_hidden_is_told_alike(zoo: tuple[Home, Manifest]) -> None:
    _, manifest = zoo
    hidden = list(Narrow.of(["closed"], {"a/b~c": ["x"]}).unknown(manifest, ["public"]))
    absent = list(Narrow.of(["nothing"], {"a/b~c": ["x"]}).unknown(manifest, ["public"]))
    assert hidden == absent
    assert [pointer for pointer, _ in hidden] == ["/narrow/sources/0", "/narrow/columns/a~1b~0c"]
    assert not list(Narrow.of(["closed"], {"team": ["x"]}).unknown(manifest, ["hr"]))


def test_values_are_the_same_as_json_has_them() -> None:
    one, true, text = (Narrow.of((), {"n": [value]}) for value in (1, True, "1"))
    assert len({one, true, text}) == 3 and Narrow.of((), {"n": [1.0]}) == one


def test_a_file_of_a_graph_makes_nothing_but_plain_values(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w+b") as file:
        file.write(b"cos\nsystem\n(S'true'\ntR.")
        file.seek(0)
        with pytest.raises(ReleaseError, match=r"no plain value \(os.system\)"):
            _Plain(file).load()
