"""What production answers still and no source holds any more is lost, on the candidate's side, and not left out."""

import pytest

from rag_pipeline.evaluate.evidence import SetEvidence
from rag_pipeline.evaluate.evidence_store import read_lists
from rag_pipeline.evaluate.recompute import contradictions
from rag_pipeline.evaluate.vanished import met_by
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.golden.resolve import Corpus, resolve
from rag_pipeline.golden.unresolved import Unresolved
from rag_pipeline.home import CHUNKS_FILE, Home
from rag_pipeline.index.manifest import read_manifest
from tests.conftest import Workspace
from tests.support.evaluated_home import LATER, PAGES, Desk
from tests.support.golden_sets import doc, golden, quote, quoting
from tests.support.release_damage import flip_a_bit
from tests.support.small_releases import release_of

QUESTIONS = {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"], "fish swim": ["handbook/fish.md"]}


@pytest.fixture
def desk(workspace: Workspace) -> Desk:
    workspace.golden("animals", QUESTIONS)
    return Desk(workspace, release_of(workspace.home, PAGES).manifest.id)


def without(desk: Desk, *names: str, **more: str) -> str:
    """A release after these pages vanished at their source."""
    pages = {name: text for name, text in PAGES.items() if name.removesuffix(".md") not in names}
    return release_of(desk.home, pages | more, now=LATER).manifest.id


def animals(desk: Desk, release: str, **changes: object) -> SetEvidence:
    evidence = desk.evaluate(release, production=desk.release, **changes)
    return evidence.golden_sets["animals"]


def again(desk: Desk, release: str) -> tuple[str, ...]:
    """What the figures contradict when they are computed again."""
    manifest = read_manifest(desk.home.release(release))
    evidence = desk.evaluate(release, production=desk.release)
    assert read_lists(desk.home, evidence)
    return contradictions(desk.home, evidence, read_golden_sets(desk.workspace.settings.evals), manifest)


def test_a_document_that_vanished_is_a_lost_answer_and_the_figures_can_be_computed_again(desk: Desk) -> None:
    release = without(desk, "dogs")
    found = animals(desk, release)
    place = found.query_ids.index("q1")
    assert found.queries == 3, "the question is not left out"
    assert found.production and found.production["hit@10" if "hit@10" in found.production else "nDCG@10"][place] == 1.0
    assert found.values["nDCG@10"][place] == found.values["recall@10"][place] == 0.0
    assert [one.document for one in found.vanished] == [one.document for one in found.unresolved] == ["handbook/dogs.md"]
    assert found.metrics["nDCG@10"] < 0.7
    assert again(desk, release) == ()


def test_a_judgment_that_was_dead_before_production_was_built_is_left_out_as_ever(desk: Desk) -> None:
    desk.workspace.golden("animals", QUESTIONS | {"birds sing": ["handbook/birds.md"]})
    found = animals(desk, without(desk, "no such page", **{"more.md": "# More\n\nmore of it"}))
    assert (found.queries, found.vanished, len(found.unresolved)) == (3, [], 1)
    assert found.metrics["nDCG@10"] == 1.0


def test_once_a_release_without_it_serves_nothing_vanished_since(desk: Desk) -> None:
    desk.release = without(desk, "dogs")
    found = animals(desk, without(desk, "dogs", **{"more.md": "# More\n\nmore of it"}))
    assert (found.queries, found.vanished, len(found.unresolved)) == (2, [], 1)


def test_taken_out_of_the_set_it_is_accepted(desk: Desk) -> None:
    desk.workspace.golden("animals", {query: found for query, found in QUESTIONS.items() if "dogs" not in query})
    found = animals(desk, without(desk, "dogs"))
    assert (found.queries, found.vanished, found.unresolved) == (2, [], [])


def test_evidence_that_hides_what_vanished_or_makes_it_up_contradicts_itself(desk: Desk) -> None:
    release = without(desk, "dogs")
    evidence = desk.evaluate(release, production=desk.release)
    manifest, sets = read_manifest(desk.home.release(release)), read_golden_sets(desk.workspace.settings.evals)
    for vanished in ([], [Unresolved(query="q0", document="handbook/cats.md", status="dead")]):
        one = evidence.golden_sets["animals"].model_copy(update={"vanished": vanished})
        forged = evidence.model_copy(update={"golden_sets": {"animals": one}})
        [says] = contradictions(desk.home, forged, sets, manifest)
        assert "the answers that vanished since production was built are not those that it names" in says


def test_of_a_production_that_is_damaged_nobody_knows_what_it_held(desk: Desk) -> None:
    release = without(desk, "dogs")
    evidence = desk.evaluate(release, production=desk.release)
    flip_a_bit(desk.home.release(desk.release) / CHUNKS_FILE)
    manifest, sets = read_manifest(desk.home.release(release)), read_golden_sets(desk.workspace.settings.evals)
    assert contradictions(desk.home, evidence, sets, manifest) == (), "what was told then stands"


def test_a_passage_that_left_its_document_answers_no_more_although_the_document_is_found(desk: Desk) -> None:
    references = [{"document": "handbook/dogs.md", "quote": "dogs bark loudly"}]
    desk.workspace.golden("animals", QUESTIONS)
    folder = desk.workspace.settings.evals / "animals"
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    import json

    rows = [json.loads(line) for line in lines]
    for row in rows:
        if row["text"] == "dogs bark":
            row["references"] = references
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    release = without(desk, "dogs", **{"dogs.md": "# Dogs\n\ndogs bark no more"})
    found = animals(desk, release)
    place = found.query_ids.index("q1")
    assert [(one.document, one.status) for one in found.vanished] == [("handbook/dogs.md", "stale")]
    assert found.values["nDCG@10"][place] == 0.0
    assert found.production and found.production["nDCG@10"][place] == 1.0
    assert again(desk, release) == ()


def test_a_release_can_meet_what_it_holds(home: Home) -> None:
    held = release_of(home, PAGES).manifest.id
    one = quoting({"q": [quote(doc("dogs"), "dogs bark"), quote(doc("dogs"), "dogs meow"), quote(doc("birds"), "sing")]})
    gone = resolve(one, Corpus(set(), {})).unresolved
    assert {judgment[3] for judgment in met_by(home, held, one, gone)} == {gone[0].passage}
    whole = golden({"q": {doc("dogs"): 1, doc("birds"): 1}})
    gone = resolve(whole, Corpus(set(), {})).unresolved
    assert {judgment[1] for judgment in met_by(home, held, whole, gone)} == {doc("dogs")}
    assert met_by(home, "nowhere", whole, ()) == frozenset(), "nothing asked, nothing read"


def test_what_is_put_back_is_listed_and_counts() -> None:
    one = golden({"a": {"x": 1, "gone": 2}, "b": {"gone": 1, "x": 0}})
    gone = resolve(one, Corpus({"x"}, {})).unresolved
    found = resolve(one, Corpus({"x"}, {}), [gone[1].judgment])
    assert found.qrels == {"a": {"x": 1}, "b": {"gone": 1, "x": 0}}
    assert (found.unresolved, found.vanished) == (gone, (gone[1],))
