"""A part of the traffic is answered from another release, by replicas alone: Dagster runs nowhere here."""

from datetime import UTC, datetime
from itertools import count

import httpx
import polars as pl
import pytest

from rag_pipeline.canary.arms import Arm
from rag_pipeline.canary.audit import settle
from rag_pipeline.channels.audit_rows import UNSPLIT, all_rows
from rag_pipeline.channels.pointer import serving
from rag_pipeline.lake import collected
from tests.conftest import Workspace
from tests.support.canaries import ONLY_CANARY, QUESTION, Trying, break_open, canary_release, several, trying
from tests.support.logged import LOGS, rows_of
from tests.support.replicas import Running, key_for, replica

ENOUGH = 40
"""Failed answers, nearly all that the first look waits for. How long they take to come is a matter of the machine."""


@pytest.mark.slow
def test_a_canary_whose_release_fails_is_stopped_by_the_replicas_and_the_stable_release_goes_on(served: Workspace) -> None:
    key = key_for(served.home)
    with several(served, 2) as replicas:
        before = {path for path in served.home.views.iterdir() if path.is_dir()}
        tried = trying(served, key)
        for one in replicas:
            wait_for(tried, one, "canary")
            each_arm_is_answered_from_its_release(tried, one)
        canaries = {path for path in served.home.views.iterdir() if path.is_dir()} - before
        break_open(canaries)
        numbers = count()
        failed: list[datetime] = []

        def is_stopped() -> bool:
            number = next(numbers)
            if tried.ask(replicas[number % 2], "canary", number % 7).status_code == 500:
                failed.append(datetime.now(UTC))
            return tried.now().percent == 0

        replicas[0].wait_until(is_stopped, "the stop")
        assert len(failed) >= ENOUGH, "no replica hides what fails"
        stopped = tried.now()
        assert stopped.by_replica and stopped.by.startswith("replica ") and stopped.why.startswith("errors: ")
        assert (stopped.at - failed[ENOUGH - 1]).total_seconds() < 60, "replicas count and look every few seconds"
        assert stopped.arms.canary.errors >= ENOUGH and stopped.arms.stable.errors == 0
        for one in replicas:
            wait_for(tried, one, "stable")
            answer = tried.ask(one, "canary")
            assert (answer.status_code, answer.json()["release"]) == (200, tried.stable)
            assert "rag_split_percent 0.0" in metrics(one)
    settle(served.home)
    settle(served.home)
    [row] = collected(all_rows(served.home).filter(pl.col("action") == UNSPLIT)).to_dicts()
    assert (row["channel"], row["by"], row["why"]) == ("production", stopped.by, stopped.why)


def wait_for(tried: Trying, one: Running, arm: Arm) -> None:
    """Until this arm answers who is in the part."""
    one.wait_until(lambda: tried.ask(one, "canary").json().get("arm") == arm, f"the {arm} release")


def each_arm_is_answered_from_its_release(tried: Trying, one: Running) -> None:
    for number in range(3):
        stable, canary = (tried.ask(one, arm, number).json() for arm in ("stable", "canary"))
        assert (stable["arm"], stable["channel"], stable["release"]) == ("stable", "production", tried.stable)
        assert (canary["arm"], canary["channel"], canary["release"]) == ("canary", "canary", tried.canary)
        [new] = [hit for hit in canary["hits"] if hit["document_id"] == ONLY_CANARY]
        assert all(hit["document_id"] != ONLY_CANARY for hit in stable["hits"])
    path = f"/v1/chunks/{new['chunk_id']}"
    assert in_session(tried, one, path, "canary").json()["chunk"]["text"] == new["text"]
    assert in_session(tried, one, path, "stable").status_code == 404
    told = in_session(tried, one, "/v1/release", "canary").json()
    assert (told["release"], told["arm"]) == (tried.canary, "canary")
    assert f'rag_answers_total{{arm="canary",channel="canary",release="{tried.canary}"}}' in metrics(one)


def in_session(tried: Trying, one: Running, path: str, arm: Arm) -> httpx.Response:
    headers = {"authorization": f"Bearer {tried.key}", "rag-session": tried.session(arm)}
    return httpx.get(one.url + path, headers=headers, timeout=60)


def metrics(one: Running) -> str:
    return httpx.get(one.metrics, timeout=60).text


@pytest.mark.slow
def test_a_canary_that_cannot_be_opened_answers_nobody_and_is_stopped_after_some_tries(served: Workspace) -> None:
    key = key_for(served.home)
    with several(served, 1) as [one]:
        tried = trying(served, key, damaged=True)
        one.wait_until(lambda: "rag_split_percent 50.0" in metrics(one), "the split")
        answers = [tried.ask(one, "canary", number).json() for number in range(3)]
        assert {(told["arm"], told["release"]) for told in answers} == {("stable", tried.stable)}
        assert answers[0]["degraded"] == [], "the stable release is what the channel names"
        assert "rag_canary_unopened 3.0" in metrics(one)
        one.wait_until(lambda: tried.now().percent == 0, "the stop")
        assert tried.now().why.startswith("canary could not be opened 5 times in a row: ")
        assert tried.ask(one, "canary").status_code == 200


def test_some_questions_are_asked_of_the_other_release_too_and_what_both_found_is_a_row(served: Workspace) -> None:
    key = key_for(served.home)
    stable = serving(served.home)
    canary = canary_release(served.home)
    with replica(served, **LOGS, RAG_SERVE_SHADOW_PERCENT="100") as one:
        asked_before = 0
        while not made(one):
            assert one.ask(key, QUESTION).status_code == 200
            asked_before += 1
            settled(one, asked_before)
        before = dropped(one)
        answers = [one.ask(key, QUESTION | more).json() for more in ({}, {"k": 2}, {"narrow": {"sources": ["handbook"]}})]
        assert {told["release"] for told in answers} == {stable}
        settled(one, asked_before + 3)
        assert dropped(one) == before, "nobody waited for an answer"
        whole = int(made(one))
    rows = {row["pair_id"]: row for row in rows_of(served.home, "pairs")}
    assert len(rows) == whole
    asked = {row["query_id"]: row for row in rows_of(served.home)}
    for told in answers:
        row, own = rows[told["query_id"]], asked[told["query_id"]]
        assert (row["channel"], row["release"]) == ("production", stable)
        assert (row["shadow_channel"], row["shadow_release"]) == ("canary", canary)
        assert row["query_response_hit_ids"] == [hit["chunk_id"] for hit in told["hits"]]
        assert len(row["shadow_hit_ids"]) == min(row["k"], 4)
        assert row["shadow_hit_ids"] != row["query_response_hit_ids"]
        assert [row[name] for name in ("user_query", "client_id", "reads", "mark")].count(None) == 0
        assert all(row[name] == own[name] for name in ("user_query", "client_id", "query_hmac", "reads", "k", "mode"))


def settled(one: Running, questions: int) -> None:
    """Until each of so many questions is a pair, or was dropped."""
    one.wait_until(lambda: made(one) + dropped(one) == questions, "the pairs")


def made(one: Running) -> float:
    """Pairs that a replica made so far."""
    return gauge(one, "rag_shadow_pairs")


def dropped(one: Running) -> float:
    """Questions that it did not ask again so far."""
    return gauge(one, "rag_shadow_dropped")


def gauge(one: Running, name: str) -> float:
    [line] = [line for line in metrics(one).splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])
