"""Replicas that share nothing but the bucket: asked at one, judged at the other, and a third machine keeps both."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rag_pipeline.mirrored import exchange
from rag_pipeline.traffic.ingest import ingest
from rag_pipeline.traffic.look import strange_feedback
from rag_pipeline.traffic.marks import KEY
from tests.conftest import Workspace
from tests.support.asked_rows import stored
from tests.support.bucket_home import BucketHome, on_each_store, taken_to
from tests.support.replicas import key_for, replica, serving_home

pytestmark = pytest.mark.slow


@on_each_store
def test_a_verdict_given_to_another_replica_than_answered_is_kept_with_the_question(
    bucket: BucketHome, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving_home(workspace)
    there = taken_to(bucket, workspace, monkeypatch)
    asker, somebody = (key_for(there.home, "search", "feedback") for _ in range(2))
    variables: list[dict[str, Any]] = [
        {"RAG_QUERY_TEXT": "masked", "RAG_CACHE": str(bucket.folder / name)} for name in ("one", "two")
    ]
    one, two = variables
    with replica(there, **one) as first, replica(there, **two) as second:
        answer = first.ask(asker, {"query": "may I fly, asks jane.doe@example.com"}).json()
        verdict = {"query_id": answer["query_id"], "verdict": "useful"}
        assert second.post("/v1/feedback", asker, verdict).status_code == 202
        assert second.post("/v1/feedback", somebody, verdict).status_code == 404, "it was not asked by this one"
        assert (first.stop(), second.stop()) == (0, 0)
    other = bucket.machine("three").home
    for kind in ("queries", "feedback"):
        done = ingest(other, kind, datetime.now(UTC), days=90)
        assert (done.rows, done.known, done.lost) == (1, 0, 0), kind
    (question,) = stored(other)
    assert question["query_id"] == answer["query_id"]
    assert "may I fly" in question["user_query"] and "jane.doe" not in question["user_query"]
    assert strange_feedback(other) == (1, 0)
    left = exchange(other.traffic)
    assert left and list(left.waiting()) == [KEY]
