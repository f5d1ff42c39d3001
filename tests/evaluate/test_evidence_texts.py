"""What evidence quotes lies beside it, is shown while it is there, and goes with its document; no seal breaks."""

import json
import shutil
from pathlib import Path

from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.evaluate.evidence_texts import SUFFIX, forget_quotes, read_examples, with_texts
from rag_pipeline.files import write_json
from tests.support.evaluated_home import LATER, PAGES, WORSE, Desk

QUOTE = "cats purr softly"


def quoting(desk: Desk) -> None:
    """The golden set quotes a passage beside the documents it judges."""
    folder = desk.workspace.golden("animals", {"cats purr": ["handbook/cats.md"], "fish": ["handbook/fish.md"]})
    shutil.rmtree(folder / "qrels")
    judged = {"q0": [("handbook/cats.md", QUOTE)], "q1": [("handbook/fish.md", "fish swim")]}
    rows = [
        {"_id": query, "text": query, "references": [{"document": name, "quote": quote} for name, quote in quoted]}
        for query, quoted in judged.items()
    ]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")


def holding(desk: Desk, text: str) -> list[str]:
    files = sorted(path for path in desk.home.evidence.rglob("*") if path.is_file())
    return [path.name for path in files if text.encode() in path.read_bytes()]


def stored(desk: Desk, evidence: Evidence) -> Evidence:
    found = newest(desk.home, evidence.release_fingerprint)
    assert found is not None and found.intact and found.seal == evidence.seal
    return found


def test_the_sealed_file_holds_no_word_of_a_document_and_what_it_quotes_is_read_from_beside_it(desk: Desk) -> None:
    evidence = desk.evaluate(desk.second(), desk.release)
    assert evidence.golden_sets["animals"].examples
    assert all(name.endswith(SUFFIX) for name in holding(desk, QUOTE)) and holding(desk, QUOTE)
    read = stored(desk, evidence)
    assert read.golden_sets["animals"].examples == []
    assert read_examples(desk.home, read)["animals"] == evidence.golden_sets["animals"].examples
    assert with_texts(desk.home, read) == evidence


def test_a_quote_that_cannot_be_found_is_named_by_its_hash_and_shown_from_beside(desk: Desk) -> None:
    quoting(desk)
    candidate = desk.second()
    evidence = desk.evaluate(candidate, desk.release)
    read = stored(desk, evidence).golden_sets["animals"].unresolved
    assert [(one.status, one.quote, bool(one.passage)) for one in read] == [("stale", "", True)]
    [shown] = with_texts(desk.home, stored(desk, evidence)).golden_sets["animals"].unresolved
    assert shown.quote == QUOTE
    again = desk.evaluate(candidate, desk.release, now=LATER, reuse_hours=2)
    assert again.seal == evidence.seal, "read back without its text it is the same judgment"


def test_forgetting_a_document_takes_its_passages_and_leaves_the_rest_and_the_seal(desk: Desk) -> None:
    evidence = desk.evaluate(desk.second(), desk.release)
    examples = evidence.golden_sets["animals"].examples
    other = {one.document for shown in examples for one in (*shown.production, *shown.candidate)} - {"handbook/cats.md"}
    assert forget_quotes(desk.home, ["handbook/none.md"]) == 0
    assert forget_quotes(desk.home, ["handbook/cats.md", "handbook/noise.md"]) >= 2
    assert holding(desk, QUOTE) == [] == holding(desk, "nothing else is said")
    [left] = read_examples(desk.home, stored(desk, evidence))["animals"]
    assert left.query == "q0" and left.expected == []
    assert {one.document for one in (*left.production, *left.candidate)} == other - {"handbook/noise.md"} != set()
    assert forget_quotes(desk.home, ["handbook/cats.md"]) == 0, "once is enough"


def test_forgetting_reaches_quotes_of_judgments_that_died(desk: Desk) -> None:
    quoting(desk)
    evidence = desk.evaluate(desk.second(), desk.release)
    assert holding(desk, QUOTE)
    assert forget_quotes(desk.home, {"handbook/cats.md", "handbook/noise.md"}) >= 1
    assert holding(desk, QUOTE) == []
    [gone] = with_texts(desk.home, stored(desk, evidence)).golden_sets["animals"].unresolved
    assert (gone.document, gone.quote) == ("handbook/cats.md", "")


def test_forgetting_reaches_evidence_of_the_format_before_which_held_the_texts_itself(desk: Desk, tmp_path: Path) -> None:
    folder = desk.home.evidence / "older"
    passage = {"document": "handbook/cats.md", "text": PAGES["cats.md"], "relevant": True, "score": 0.5}
    other = {"document": "handbook/noise.md", "text": WORSE["noise.md"], "relevant": False, "score": 0.5}
    shown = {"query": "q0", "text": "cats", "difference": -1, "expected": [passage], "production": [passage, other]}
    gone = {"query": "q1", "document": "handbook/cats.md", "status": "stale", "quote": QUOTE}
    sets = {"animals": {"examples": [shown | {"candidate": [other]}], "unresolved": [gone]}}
    write_json(folder / "20260101T000000.000000-0123abcd.json", {"format": 3, "golden_sets": sets, "seal": "0123abcd"})
    assert forget_quotes(desk.home, ["handbook/cats.md"]) == 3
    told = json.loads((folder / "20260101T000000.000000-0123abcd.json").read_text(encoding="utf-8"))["golden_sets"][
        "animals"
    ]
    assert told["examples"][0]["expected"] == [] and told["examples"][0]["production"] == [other]
    assert told["unresolved"] == [gone | {"quote": ""}]


def test_texts_that_were_removed_or_cut_short_break_nothing(desk: Desk) -> None:
    evidence = desk.evaluate(desk.second(), desk.release)
    [side] = desk.home.evidence_on(evidence.release_fingerprint).glob(f"*{SUFFIX}")
    side.write_text("{", encoding="utf-8")
    assert read_examples(desk.home, stored(desk, evidence)) == {}
    assert forget_quotes(desk.home, ["handbook/cats.md"]) == 0
    side.unlink()
    assert with_texts(desk.home, stored(desk, evidence)) == stored(desk, evidence)
