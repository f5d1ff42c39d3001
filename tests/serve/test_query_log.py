"""What a replica keeps of questions: nothing unless it is told to, and then nothing private, in no file."""

import json
from typing import Any

import httpx
import pytest

from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.marks import marks_of
from tests.conftest import Workspace
from tests.support.logged import LATER, SALT, logging_replica, rows_of
from tests.support.planted_values import PLANTED, texts_of
from tests.support.replicas import SECRET_WORD, key_for, replica


def test_a_replica_that_is_not_told_to_keeps_nothing_of_a_question(served: Workspace) -> None:
    key = key_for(served.home)
    with replica(served) as running:
        assert len(running.ask(key, {"query": "may I fly"}).json()["query_id"]) == 30
    assert not served.home.traffic.exists()


def test_questions_are_rows_without_what_is_private(served: Workspace) -> None:
    key = key_for(served.home)
    values = [value for some in PLANTED.values() for value in some]
    with logging_replica(served) as running:
        told = [running.ask(key, {"query": f"may I fly with {value}", "k": 2}).json() for value in values]
        assert running.ask(key, {"query": "is it late", "timeout_ms": 10}).status_code in (200, 504)
        running.ask(key, {"query": "who is this", "mode": "lexical"})
        assert running.ask(key, b"{").status_code == 400
        running.ask("rag_" + "x" * 43, {"query": "nobody asks"})
        assert "rag_log_lost 0.0" in httpx.get(running.metrics).text
    rows = {row["query_id"]: row for row in rows_of(served.home)}
    assert len(rows) == len(values) + 2, "what is no question, and what nobody asked, is no row"
    marks = marks_of(served.home, SALT)
    for answer, value in zip(told, values, strict=True):
        row = rows[answer["query_id"]]
        assert value not in row["user_query"] and row["user_query"].startswith("may I fly with <")
        assert row["query_response_hit_ids"] == [hit["chunk_id"] for hit in answer["hits"]]
        assert row["scores"] == pytest.approx([hit["score"] for hit in answer["hits"]], rel=1e-6)
        assert (row["release"], row["channel"], row["mode"]) == (answer["release"], "production", "dense")
        assert (row["status"], row["problem"], row["k"], row["reads"]) == (200, "", 2, ["all"])
        assert row["total_ms"] > 0 and row["embed_ms"] > 0
        assert row["query_hmac"] == marks.same(f"may I fly with {value}")
        assert row["mark"] == marks.row("queries", row), "as it comes back from the table"
    [refused] = [row for row in rows.values() if row["problem"] == "forbidden"]
    assert (refused["status"], refused["user_query"]) == (403, None), "the text of what was not answered is not kept"
    everything = "".join(text for text in _all_texts(served)) + "".join(running.raw)
    for secret in (*values, key, "k_", "127.0.0.1"):
        assert secret not in "".join(json.dumps(row, default=str) for row in rows.values())
        if secret in values:
            assert secret not in everything
    assert SECRET_WORD not in "".join(json.dumps(row, default=str) for row in rows.values())


@pytest.mark.parametrize("salt", ["", SALT])
def test_hmac_keeps_who_asked_the_same_and_no_text(served: Workspace, salt: str) -> None:
    key = key_for(served.home)
    variables: dict[str, Any] = {"RAG_QUERY_TEXT": "hmac", "RAG_PII_SALT": salt}
    with replica(served, **variables) as running:
        for question in ("may I fly", "May I  FLY", "somebody took my computer"):
            running.ask(key, {"query": question})
    rows = rows_of(served.home)
    assert {row["user_query"] for row in rows} == {None}
    assert len({row["query_hmac"] for row in rows}) == 2
    assert len({row["client_id"] for row in rows}) == 1
    assert not any("fly" in text.lower() for path in served.home.traffic.rglob("*") for text in texts_of(path))


def _all_texts(served: Workspace) -> list[str]:
    ingest(served.home, "queries", LATER, days=90)
    lying = (served.home.lake / served.home.traffic.name, served.home.traffic, served.home.replicas)
    return [text for folder in lying for path in folder.rglob("*") if path.is_file() for text in texts_of(path)]
