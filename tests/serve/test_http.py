"""What a replica answers over HTTP, asked by a process that has nothing but its address and a key."""

import json
import re

import httpx
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.model import model_of
from rag_pipeline.door.problems import KINDS, MEDIA_TYPE
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import Query, encoder_for, open_release, own_model
from tests.conftest import Workspace
from tests.support.replicas import JUDGED, SECRET_WORD, Running, key_for


def test_an_answer_is_what_the_release_that_serves_gives(running: Running, served_once: Workspace, key: str) -> None:
    release = serving(served_once.home)
    assert release
    manifest = read_manifest(served_once.home.release(release))
    encoder = encoder_for(served_once.home, manifest, own_model(manifest, model_of(served_once.settings)))
    with open_release(served_once.home, release) as opened:
        for question, documents in JUDGED.items():
            told = running.ask(key, {"query": question, "k": 3}).json()
            alone = opened.search(Query(question, encoder.queries([question])[0]), 3)
            assert (told["release"], told["channel"], told["mode"], told["degraded"]) == (release, "production", "dense", [])
            assert [hit["chunk_id"] for hit in told["hits"]] == [hit.chunk_id for hit in alone]
            assert [hit["score"] for hit in told["hits"]] == pytest.approx([hit.score for hit in alone], abs=1e-5)
            assert [hit["text"] for hit in told["hits"]] == [hit.text for hit in alone]
            assert told["hits"][0]["document_id"] == documents[0]


def test_a_chunk_of_an_answer_can_be_read_by_its_id(running: Running, key: str) -> None:
    found = running.ask(key, {"query": "may I fly", "k": 1}).json()["hits"][0]
    told = running.get(f"/v1/chunks/{found['chunk_id']}", key).json()
    assert told["chunk"] == {name: found[name] for name in told["chunk"]}
    assert (told["before"], told["after"]) == ([], [])
    assert running.get("/v1/chunks/" + "0" * 32, key).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status"), [("around=5", 200), ("around=6", 400), ("around=-1", 400), ("around=1&around=1", 400)]
)
def test_neighbors_of_a_chunk_are_asked_for_by_a_small_number(running: Running, key: str, asked: str, status: int) -> None:
    found = running.ask(key, {"query": "may I fly", "k": 1}).json()["hits"][0]
    told = running.get(f"/v1/chunks/{found['chunk_id']}?{asked}", key)
    assert told.status_code == status
    if status == 200:
        assert told.json()["before"] == told.json()["after"] == [], "the page is one chunk"


def test_the_release_that_serves_says_what_it_is(running: Running, served_once: Workspace, key: str) -> None:
    told = running.get("/v1/release", key).json()
    manifest = read_manifest(served_once.home.release(told["release"]))
    assert (told["fingerprint"], told["chunks"]) == (manifest.fingerprint, 3)
    assert told["sources"]["handbook"]["documents"] == 3


def test_health_and_readiness_need_no_key(running: Running) -> None:
    assert running.get("/healthz").json() == {"status": "ok"}
    assert running.get("/readyz").json()["status"] == "ready"


def test_the_metrics_are_on_a_port_of_their_own_and_name_nobody(running: Running, key: str) -> None:
    running.ask(key, {"query": "may I fly"})
    running.ask("rag_" + "x" * 43, {"query": "may I fly"})
    told = httpx.get(running.metrics).text
    answered = re.search(r'rag_requests_total\{operation="search",problem="",status="200"\} (\d+)', told)
    assert answered and int(answered[1]) >= 1
    assert 'problem="unauthenticated",status="401"' in told
    assert "rag_ready 1.0" in told
    assert "k_" not in re.sub(r"rag_\w+", "", told)
    assert running.get("/metrics", key).status_code == 404


def test_the_log_has_a_line_a_request_and_neither_its_text_nor_a_key(running: Running, key: str) -> None:
    told = running.ask(key, {"query": f"where is {SECRET_WORD} kept"}).json()
    running.get(f"/v1/chunks/{told['hits'][0]['chunk_id']}", key)
    running.ask(key, {"query": f"{SECRET_WORD}\x07"})

    def lines() -> list[dict[str, object]]:
        return [line for line in running.log if line.get("query_id") == told["query_id"]]

    running.wait_until(lambda: bool(lines()), "the line of a request")
    [line] = lines()
    assert (line["event"], line["status"], line["release"]) == ("search", 200, told["release"])
    assert str(line["principal"]).startswith("k_")
    everything = "".join(running.raw)
    assert SECRET_WORD in json.dumps(told)
    assert SECRET_WORD not in everything
    assert key not in everything


def test_the_openapi_names_every_operation_and_its_problems(running: Running) -> None:
    told = running.get("/openapi.json").json()
    answered = {"/v1/search", "/v1/answer", "/v1/chunks/{chunk_id}", "/v1/release", "/healthz", "/readyz"}
    assert set(told["paths"]) == answered
    for path in ("/v1/search", "/v1/answer"):
        asked = told["paths"][path]["post"]
        assert asked["security"] == [{"bearer": []}]
        assert {str(kind.status) for kind in KINDS} <= set(asked["responses"])
    assert set(asked["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_the_address_of_a_problem_leads_to_what_it_means(running: Running, kind: object) -> None:
    told = running.get(kind.type)  # type: ignore[attr-defined]
    assert told.status_code == 200
    assert kind.title in told.text  # type: ignore[attr-defined]


def test_a_permission_is_needed_for_mode_and_for_another_channel(running: Running, served_once: Workspace, key: str) -> None:
    more = key_for(served_once.home, "search", "mode", "channel:staging")
    assert running.ask(key, {"query": "may I fly", "mode": "lexical"}).status_code == 403
    assert running.ask(more, {"query": "may I fly", "mode": "lexical"}).json()["mode"] == "lexical"
    unknown, other = ({"query": "may I fly", "channel": name} for name in ("nothing", "staging"))
    assert running.ask(key, unknown).content.split(b"query_id")[0] == running.ask(key, other).content.split(b"query_id")[0]
    assert running.ask(key, other).status_code == 403
    assert running.ask(more, other).status_code == 404
    assert running.ask(key, {"query": "may I fly", "channel": "production"}).status_code == 200


@pytest.mark.parametrize(("may", "reads"), [(("mode",), ("all",)), (("search",), ("hr",)), (("search",), ())])
def test_what_is_not_granted_is_denied(
    running: Running, served_once: Workspace, may: tuple[str, ...], reads: tuple[str, ...]
) -> None:
    other = key_for(served_once.home, *may, reads=reads)
    chunk = running.get("/v1/chunks/" + "0" * 32, other)
    for told in (running.ask(other, {"query": "may I fly"}), running.get("/v1/release", other), chunk):
        assert told.status_code == 403
        assert told.headers["content-type"] == MEDIA_TYPE
