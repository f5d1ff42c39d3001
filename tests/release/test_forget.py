"""Quotes in evidence and reports go with their document."""

import json

import pytest

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.evaluate.answers import measure_answers
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.evaluate.evidence_texts import with_texts
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.home import Home
from rag_pipeline.release.forget import as_it_stands, forget, forget_gone
from rag_pipeline.report import ReportRequest, not_evaluated, write_report
from rag_pipeline.report.answers import quoted_on_pages, write_answers
from tests.conftest import Workspace
from tests.support.built_once import BuiltOnce
from tests.support.evaluated_home import PAGES, Desk
from tests.support.small_releases import NOW, SMALL, chunker, release_of, store_documents

QUOTE = "cats purr softly"


@pytest.fixture
def desk(built_once: BuiltOnce) -> Desk:
    workspace = Workspace(built_once.empty("forget"))

    def released() -> str:
        workspace.golden("animals", {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"]})
        return release_of(workspace.home, PAGES).manifest.id

    return Desk(workspace, built_once.state(workspace.root, "released", released))


def hold(home: Home, pages: dict[str, str]) -> None:
    store_documents(home, "handbook", pages)
    update_chunks(home, ["handbook"], chunker())


def quoting(home: Home, text: str = QUOTE) -> list[str]:
    files = [*home.root.glob("evidence/*/*"), *home.root.glob("reports/*")]
    return sorted(path.relative_to(home.root).parts[0] for path in files if text.encode() in path.read_bytes())


def test_what_is_quoted_of_a_document_goes_when_it_is_not_stored_any_more(desk: Desk) -> None:
    evidence = desk.evaluate(desk.second(), desk.release)
    write_report(desk.home, ReportRequest(not_evaluated(evidence.release, "test"), now=NOW, evidence=evidence))
    assert quoting(desk.home) == ["evidence", "reports"]
    assert forget_gone(desk.home) == frozenset(), "everything quoted is stored"
    hold(desk.home, {"dogs.md": PAGES["dogs.md"], "fish.md": PAGES["fish.md"]})
    assert forget_gone(desk.home) == {"handbook/cats.md", "handbook/noise.md"}
    assert quoting(desk.home) == []
    assert not desk.home.report(evidence.release).exists(), "`rag report` writes it again"
    read = newest(desk.home, evidence.release_fingerprint)
    assert read and read.intact and read.seal == evidence.seal
    assert forget_gone(desk.home) == frozenset()


def test_a_report_that_quotes_nothing_of_it_stays(desk: Desk) -> None:
    desk.evaluate(desk.second(), desk.release)
    other = desk.evaluate(desk.release)
    path = write_report(desk.home, ReportRequest(not_evaluated(desk.release, "test"), now=NOW, evidence=other))
    hold(desk.home, {"dogs.md": PAGES["dogs.md"]})
    forget_gone(desk.home)
    assert path.exists() and quoting(desk.home) == []


def test_a_page_of_answers_goes_with_a_document_that_it_quotes(desk: Desk) -> None:
    sets, evals = [read_golden_set(desk.workspace.settings.evals / "animals")], desk.workspace.settings.evals
    answers = measure_answers(desk.home, desk.release, SMALL, sets, evals)  # type: ignore[arg-type]
    page = write_answers(desk.home, answers, answers, NOW)
    assert quoting(desk.home) == ["reports"] and "handbook/cats.md" in quoted_on_pages(desk.home)[page]
    forget(desk.home, ["handbook/nothing.md"])
    assert forget_gone(desk.home) == frozenset() and page.exists()
    hold(desk.home, {name: text for name, text in PAGES.items() if name != "cats.md"})
    assert "handbook/cats.md" in forget_gone(desk.home)
    assert not page.exists()
    write_answers(desk.home, answers, None, NOW)
    assert quoting(desk.home) == [], "production retrieves it still, and the page does not show it"
    assert forget_gone(desk.home) == frozenset() and page.exists()


def test_evidence_just_measured_shows_nothing_of_what_production_retrieves_though_it_left(desk: Desk) -> None:
    evidence = desk.evaluate(desk.second(), desk.release)
    hold(desk.home, {name: text for name, text in PAGES.items() if name != "cats.md"})
    assert QUOTE in str(evidence.golden_sets["animals"].examples)
    shown = as_it_stands(desk.home, evidence)
    [example] = shown.golden_sets["animals"].examples
    assert example.query == "q0" and QUOTE not in str(shown)
    assert shown.seal == evidence.seal and shown.intact
    assert with_texts(desk.home, shown) == shown


def test_evidence_of_an_older_format_that_holds_quotes_itself_is_found(desk: Desk) -> None:
    folder = desk.home.evidence / "older"
    folder.mkdir(parents=True)
    quoted = {"document": "handbook/cats.md", "text": QUOTE, "relevant": True, "score": None}
    content = {"format": 3, "release": "older", "golden_sets": {"animals": {"examples": [{"production": [quoted]}]}}}
    (folder / "20260101T000000.000000-00000000.json").write_text(json.dumps(content), encoding="utf-8")
    desk.home.report("older").parent.mkdir()
    desk.home.report("older").write_text(QUOTE, encoding="utf-8")
    forget(desk.home, ["handbook/dogs.md"])
    assert quoting(desk.home) == ["evidence", "reports"]
    forget(desk.home, ["handbook/cats.md"])
    assert quoting(desk.home) == []
