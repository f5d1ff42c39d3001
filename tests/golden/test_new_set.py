import pytest

from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.golden import new_set as module
from rag_pipeline.golden.made_probes import Asked, Draw
from rag_pipeline.golden.new_set import NewSet, new_set
from rag_pipeline.golden.read import read_golden_set, read_golden_sets
from tests.conftest import Workspace
from tests.golden.conftest import Load

TOPICS = [
    "leave",
    "travel",
    "laptops",
    "visitors",
    "parking",
    "training",
    "invoices",
    "keys",
    "lunch",
    "phones",
    "desks",
    "bikes",
]


@pytest.fixture
def loaded(load: Load) -> None:
    load(
        "hr",
        {
            f"{one}.md": (f"All about {one}", f"# All about {one}\n\nText.\n\n## Who pays for {one}\n\nWe.\n")
            for one in TOPICS
        },
    )
    load("it", {"disk.md": ("Disks", "# Disks\n\n## Encrypt\n\nDo.\n\n## How to order a disk\n\nAsk.\n")})


def propose(workspace: Workspace, name: str = "first", count: int = 200, seed: int = 0, *, only: bool = False) -> NewSet:
    asked = Asked(workspace.home, ["hr"] if only else ["hr", "it"])
    return new_set(workspace.root / "evals", name, asked, "docs@example.com", Draw(count, seed), only=only)


@pytest.mark.usefixtures("loaded")
def test_a_set_of_titles_and_headings_is_one_that_can_be_evaluated(workspace: Workspace) -> None:
    made = propose(workspace)
    golden = read_golden_set(made.folder)
    assert golden.about.made_by == "machine"
    assert golden.about.owner == "docs@example.com"
    assert len(golden.queries) == 2 * len(TOPICS) + 1
    asked = {text: golden.qrels[query] for query, text in golden.queries.items()}
    assert asked["All about leave"] == {"hr/leave.md": 1}
    assert asked["Who pays for keys"] == {"hr/keys.md": 1}
    assert asked["How to order a disk"] == {"it/disk.md": 1}
    assert {(values["source"], values["made_from"]) for values in golden.slices.values()} == {
        ("hr", "title"),
        ("hr", "heading"),
        ("it", "heading"),
    }


@pytest.mark.usefixtures("loaded")
def test_the_same_seed_writes_the_same_bytes(workspace: Workspace) -> None:
    one, same, other = (propose(workspace, name, 10, seed).folder for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    for file in ("queries.jsonl", "qrels/test.tsv"):
        assert (one / file).read_bytes() == (same / file).read_bytes()
        assert (one / file).read_bytes() != (other / file).read_bytes()


@pytest.mark.usefixtures("loaded")
def test_a_set_about_one_source_judges_by_bare_keys(workspace: Workspace) -> None:
    folder = propose(workspace, only=True).folder
    assert "\tleave.md\t1\n" in (folder / "qrels/test.tsv").read_text()
    assert all(document.startswith("hr/") for document in read_golden_set(folder).judged_documents)


@pytest.mark.usefixtures("loaded")
def test_a_killed_run_leaves_no_half_set_and_the_next_one_writes_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "sync", killed)
        with pytest.raises(KeyboardInterrupt):
            propose(workspace)
    assert read_golden_sets(workspace.root / "evals") == ()
    propose(workspace)
    assert [path.name for path in (workspace.root / "evals").iterdir()] == ["first"]


@pytest.mark.usefixtures("loaded")
def test_what_is_there_is_never_overwritten(workspace: Workspace) -> None:
    folder = workspace.root / "evals" / "first"
    folder.mkdir(parents=True)
    with pytest.raises(GoldenSetError, match="already exists"):
        propose(workspace)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", [".hidden", "_private", "..", "a b", "", "a/b", "../a"])
def test_a_name_that_cannot_be_a_set_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(GoldenSetError, match="cannot be a golden set's name"):
        propose(workspace, name)


def test_a_corpus_without_documents_is_told_to_be_loaded(workspace: Workspace) -> None:
    with pytest.raises(PipelineError, match=r"no document of hr, it is loaded yet.*rag refresh"):
        propose(workspace)


_ROWS = [
    f"Monday has {one}let, {one}ling and {one}ette; and {one}let, {one}ling and {one}ette to take away." for one in TOPICS
]


@pytest.mark.parametrize(("title", "before"), [("Canteen", ""), ("Plan {place}", "Plan {place}: ")])
def test_rows_that_share_their_titles_are_asked_by_rare_words(
    workspace: Workspace, load: Load, title: str, before: str
) -> None:
    load("hr", {f"{number}.md": (title.format(place=number // 6), text) for number, text in enumerate(_ROWS)})
    made = propose(workspace, only=True)
    assert (made.usable, made.of_words) == (0, len(made.chosen)) and len(made.chosen) >= 10
    assert made.asks == f"{len(made.chosen)} times for words that few documents have"
    golden = read_golden_set(made.folder)
    assert {values["made_from"] for values in golden.slices.values()} == {"terms"}
    for query, text in golden.queries.items():
        [document] = golden.qrels[query]
        number = int(document.removeprefix("hr/").removesuffix(".md"))
        start = before.format(place=number // 6)
        assert text == start + " ".join(f"{TOPICS[number]}{end}" for end in ("let", "ling", "ette"))


@pytest.mark.usefixtures("loaded")
def test_where_titles_and_headings_are_enough_no_rare_word_is_asked(workspace: Workspace) -> None:
    made = propose(workspace)
    assert (made.of_words, made.asks) == (0, f"{len(made.chosen)} titles and headings")


def test_too_few_usable_titles_are_counted_with_the_reasons(workspace: Workspace, load: Load) -> None:
    load("hr", {"a.md": ("notes.md", "# Agenda\n\nx"), "b.md": ("Minutes of the meeting", "# Agenda\n\nx")})
    with pytest.raises(
        GoldenSetError, match=r"only 1 usable .* in 2 documents.*Left out of 4: 2 in several documents, 1 a file"
    ):
        propose(workspace)
    assert not (workspace.root / "evals" / "first").exists()
