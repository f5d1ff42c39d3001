import json
from collections.abc import Collection
from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.golden.made_probes import Asked, Draw, Made, make_probes
from rag_pipeline.golden.new_set import new_set
from rag_pipeline.golden.rare_terms import Spoken, rare_terms
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.words import fold
from tests.conftest import Workspace
from tests.golden.conftest import Load

_NAMES = "amber bramble cobalt dervish ember fjord gambit harvest ivory jasmine kernel lantern"
WORDS = _NAMES.split()


def body(word: str) -> str:
    return (
        f"# All about {word}\n\nThe {word} house keeps {word} wood and {word[::-1]}ish stone, {word[::-1]}ish and old.\n\n"
        f"## Who pays for {word}\n\nWe do, and the {word}er pays too; the {word}er always pays.\n"
    )


@pytest.fixture
def loaded(load: Load) -> None:
    load("hr", {f"{word}.md": (f"All about {word}", body(word)) for word in WORDS[:8]})
    load("it", {f"{word}.md": (f"All about {word}", body(word)) for word in WORDS[8:]})


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    return workspace.golden("small", {"all about AMBER": ["hr/amber.md"], "what else": ["hr/bramble.md"]})


def make(workspace: Workspace, count: int = 300, seed: int = 0, private: Collection[str] = (), **how: bool) -> Made:
    asked = Asked(workspace.home, ["hr", "it"], private)
    return make_probes(workspace.root / "evals", "small", asked, Draw(count, seed), **how)


@pytest.mark.usefixtures("loaded", "folder")
def test_probes_are_of_all_kinds_and_sources_the_same_every_time_and_no_judged_query(workspace: Workspace) -> None:
    made = make(workspace, count=30)
    first = made.file.read_bytes()
    assert set(made.made_from) == {"title", "heading", "terms"} and set(made.sources) == {"hr", "it"}
    texts = [fold(one.text) for one in made.probes]
    assert len(set(texts)) == len(texts) == len({one.id for one in made.probes}) == len(made.probes)
    assert "all about amber" not in texts
    rows = [json.loads(line) for line in first.decode().splitlines()]
    assert rows[0].keys() == {"_id", "text", "metadata"} and rows[0]["metadata"].keys() == {"source", "made_from"}
    assert make(workspace, count=30, force=True).file.read_bytes() == first
    assert make(workspace, count=30, seed=1, force=True).file.read_bytes() != first
    golden = read_golden_set(made.file.parent)
    assert (len(golden.probes), golden.asked_again) == (len(made.probes), ())


@pytest.mark.usefixtures("loaded", "folder")
def test_documents_nobody_asks_for_come_first(workspace: Workspace) -> None:
    asked = {one.document for one in make(workspace, count=12).probes}
    assert not asked & {"hr/amber.md", "hr/bramble.md"}


@pytest.mark.usefixtures("loaded")
def test_what_is_there_is_not_overwritten_but_with_force_which_also_mends(workspace: Workspace, folder: Path) -> None:
    (folder / "probes.jsonl").write_text("half a li")
    with pytest.raises(GoldenSetError, match=r"probes.jsonl already exists and is not overwritten; --force"):
        make(workspace)
    assert (folder / "probes.jsonl").read_text() == "half a li"
    make(workspace, force=True)
    assert read_golden_set(folder).probes


@pytest.mark.usefixtures("loaded")
def test_a_set_of_one_source_is_asked_of_that_source(workspace: Workspace) -> None:
    workspace.golden("small", {"x": ["amber.md"]}, source="hr")
    assert set(make(workspace).sources) == {"hr"}


@pytest.mark.usefixtures("folder")
def test_without_documents_nothing_is_written(workspace: Workspace, folder: Path) -> None:
    with pytest.raises(PipelineError, match="no document of hr, it is loaded yet"):
        make(workspace)
    assert not (folder / "probes.jsonl").exists()


def test_masked_and_private_words_are_not_asked(workspace: Workspace, load: Load) -> None:
    title = "Letters to <EMAIL_ADDRESS:0123abcd> that came"
    load("hr", {f"{word}.md": (f"All about {word}", body(word)) for word in WORDS} | {"x.md": (title, "# Y\n\nText.")})
    load("it", {})
    workspace.golden("small", {"x": ["hr/amber.md"]})
    assert "terms" in make(workspace).made_from
    made = make(workspace, private=["hr"], force=True)
    assert "terms" not in made.made_from, "a word that one document alone has may be somebody's name"
    assert not any("Letters" in one.text for one in made.probes)


def test_a_set_that_refuses_private_data_gets_no_probe_with_any(workspace: Workspace, load: Load) -> None:
    pages = {f"{word}.md": (f"Write to {word}@example.com about this", "# Y\n\nText.") for word in WORDS}
    load("hr", pages | {"plain.md": ("How a plain page is called", "# Z\n\nText.")})
    load("it", {})
    workspace.golden("small", {"x": ["hr/plain.md"]}, piiPolicy="refuse")
    assert {one.document for one in make(workspace).probes} == {"hr/plain.md"}


def test_rare_terms_are_words_of_their_own_that_a_document_repeats() -> None:
    common = "the house keeps the rules and everybody reads the rules"
    pages = [Spoken("s", f"s/{word}", f"{common} {word} {word}s {word}ish {word} {word}s {word}ish 12345") for word in WORDS]
    found = {one.document: text for one, text in rare_terms([*pages, Spoken("s", "s/empty", common)])}
    assert found["s/amber"] == "amber ambers amberish"
    assert "s/empty" not in found and len(found) == len(WORDS)


def test_a_small_corpus_is_asked_for_each_page_as_often_as_it_takes(workspace: Workspace, load: Load) -> None:
    own = {word: " ".join(f"{word}{one} {word}{one}" for one in WORDS) for word in WORDS[:8]}
    heads = "".join(f"## What is the {one} there\n\nIt is.\n\n" for one in WORDS[8:])
    load(
        "hr", {f"{word}.md": (f"All about {word}", f"# All about {word}\n\n{said}\n\n{heads}") for word, said in own.items()}
    )
    load("it", {})
    workspace.golden("small", {"x": ["hr/amber.md"]})
    made = make(workspace, count=100)
    assert made.made_from == {"title": 8, "terms": 8 * len(WORDS) // 3}, "headings of several pages name none of them"
    assert len({one.text for one in made.probes}) == len(made.probes)
    first = [one.document for one in made.probes if one.made_from == "terms"][:8]
    assert len(set(first)) == 8, "each page once before any page twice"


@pytest.mark.usefixtures("loaded")
def test_a_new_set_has_probes_beside_its_queries(workspace: Workspace) -> None:
    asked = Asked(workspace.home, ["hr", "it"])
    made = new_set(workspace.root / "evals", "first", asked, "docs@example.com", Draw(12), only=False)
    golden = read_golden_set(made.folder)
    assert len(golden.probes) == len(made.probes) > 12 and golden.asked_again == ()
