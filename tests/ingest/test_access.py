"""Rows with labels, from a feed to the chunks: refused without one, and cut again, but not embedded, when it changes."""

import json
from pathlib import Path

import pytest

from rag_pipeline.contracts.labels import LABELS
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.tables import chunks_table
from tests.conftest import Workspace, column, table_contract
from tests.support.feeds import Feed
from tests.support.small_releases import chunker

LOOK = ["chunk_id", "text_hash", "payload_hash"]


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    content = table_contract(tmp_path / "feed/a.jsonl", "jsonl", column("readers", role="access"), column("team"))
    content["customProperties"] = [{"property": "quarantineMaxPercent", "value": 90}]
    return Feed(Workspace(tmp_path), "reviews", content)


def row(key: str, readers: object) -> dict[str, object]:
    return {"id": key, "text": f"Text of {key}.", "readers": readers, "team": "__labels"}


def test_a_row_is_stored_with_its_labels_or_refused(feed: Feed) -> None:
    rows = [row("1", "HR"), row("2", ["Board", "hr"]), row("3", None), row("4", ["*"]), row("5", "hr,public"), row("6", [])]
    feed.rows("a.jsonl", rows)
    report = feed.load()
    assert (report.good, report.refused) == (2, 4)
    found = {key: json.loads(document["metadata"]) for key, document in feed.documents().items()}
    assert found == {
        "1": {LABELS: ["hr"], "team": "__labels"},
        "2": {LABELS: ["board", "hr"], "team": "__labels"},
    }
    reasons = [json.loads(one["reasons"])[0] for one in feed.quarantine("open")]
    assert sorted((one["rule"], one["column"]) for one in reasons) == [("labels", "readers")] * 3 + [("required", "readers")]


def test_a_changed_label_changes_the_payload_of_a_chunk_and_neither_its_id_nor_its_text(feed: Feed) -> None:
    seen = []
    for readers in ("hr", ["hr", "board"]):
        feed.rows("a.jsonl", [row("1", readers), row("2", "hr")])
        feed.load()
        update_chunks(feed.home, ["reviews"], chunker())
        seen.append({one["chunk_id"]: one for one in chunks_table(feed.home).scan().select(LOOK).collect().to_dicts()})
    before, after = seen
    assert before.keys() == after.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert len(changed) == 1 and before[changed[0]]["text_hash"] == after[changed[0]]["text_hash"]
