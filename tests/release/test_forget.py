"""Quotes in evidence and reports go with their document."""

import json
from pathlib import Path

import pytest

from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.evaluate.evidence_texts import with_texts
from rag_pipeline.release.forget import as_it_stands, forget, forget_gone
from rag_pipeline.release.report import not_evaluated, report_path, write_report
from tests.conftest import Workspace
from tests.corpus.small import NOW, chunker, release_of, store_documents
from tests.evaluate.desk import PAGES, Desk

QUOTE = "cats purr softly"


@pytest.fixture
def desk(workspace: Workspace) -> Desk:
    workspace.golden("animals", {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"]})
    return Desk(workspace, release_of(workspace.home, PAGES).manifest.id)


def hold(home: Path, pages: dict[str, str]) -> None:
    store_documents(home, "handbook", pages)
    update_chunks(home, ["handbook"], chunker())


def quoting(home: Path, text: str = QUOTE) -> list[str]:
    files = [*home.glob("evidence/*/*"), *home.glob("reports/*")]
    return sorted(path.relative_to(home).parts[0] for path in files if text.encode() in path.read_bytes())


def test_what_is_quoted_of_a_document_goes_when_it_is_not_stored_any_more(desk: Desk) -> None:
    evidence = desk.evaluate(desk.second(), desk.release)
    write_report(desk.home, evidence, not_evaluated(evidence.release, "test"), now=NOW)
    assert quoting(desk.home) == ["evidence", "reports"]
    assert forget_gone(desk.home) == frozenset(), "everything quoted is stored"
    hold(desk.home, {"dogs.md": PAGES["dogs.md"], "fish.md": PAGES["fish.md"]})
    assert forget_gone(desk.home) == {"handbook/cats.md", "handbook/noise.md"}
    assert quoting(desk.home) == []
    assert not report_path(desk.home, evidence.release).exists(), "`rag report` writes it again"
    read = newest(desk.home, evidence.release_fingerprint)
    assert read and read.intact and read.seal == evidence.seal
    assert forget_gone(desk.home) == frozenset()


def test_a_report_that_quotes_nothing_of_it_stays(desk: Desk) -> None:
    desk.evaluate(desk.second(), desk.release)
    other = desk.evaluate(desk.release)
    path = write_report(desk.home, other, not_evaluated(desk.release, "test"), now=NOW)
    hold(desk.home, {"dogs.md": PAGES["dogs.md"]})
    forget_gone(desk.home)
    assert path.exists() and quoting(desk.home) == []


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
    folder = desk.home / "evidence" / "older"
    folder.mkdir(parents=True)
    quoted = {"document": "handbook/cats.md", "text": QUOTE, "relevant": True, "score": None}
    content = {"format": 3, "release": "older", "golden_sets": {"animals": {"examples": [{"production": [quoted]}]}}}
    (folder / "20260101T000000.000000-00000000.json").write_text(json.dumps(content), encoding="utf-8")
    report_path(desk.home, "older").parent.mkdir()
    report_path(desk.home, "older").write_text(QUOTE, encoding="utf-8")
    forget(desk.home, ["handbook/dogs.md"])
    assert quoting(desk.home) == ["evidence", "reports"]
    forget(desk.home, ["handbook/cats.md"])
    assert quoting(desk.home) == []
