"""Bodies that are no question: each is told as a problem that names the field, and quotes nothing of it."""

import json

import pytest

from rag_pipeline.door.problems import MEDIA_TYPE
from tests.support.replicas import Running

MARK = "unquotable"


def question(**fields: object) -> bytes:
    return json.dumps({"query": f"{MARK} words", **fields}).encode()


MALFORMED: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, ""),
    "white space": (b" \n", 400, ""),
    "null": (b"null", 400, ""),
    "a list": (b'[{"query": "x"}]', 400, ""),
    "a text": (b'"unquotable"', 400, ""),
    "a number": (b"1", 400, ""),
    "half of it": (b'{"query": "unquotable', 400, ""),
    "more behind it": (b'{"query": "x"} {"query": "y"}', 400, ""),
    "single quotes": (b"{'query': 'unquotable'}", 400, ""),
    "a comma too many": (b'{"query": "x",}', 400, ""),
    "a comment": (b'{"query": "x" /* unquotable */}', 400, ""),
    "a form": (b"query=unquotable&k=3", 400, ""),
    "XML": (b"<query>unquotable</query>", 400, ""),
    "Latin-1": ('{"query": "unquotable é"}'.encode("latin-1"), 400, ""),
    "UTF-16": ('{"query": "unquotable"}'.encode("utf-16"), 400, ""),
    "a byte order mark": (b'\xef\xbb\xbf{"query": "x"}', 400, ""),
    "a NUL byte": (b'{"query": "x\x00y"}', 400, ""),
    "a raw line break in a text": (b'{"query": "x\ny"}', 400, ""),
    "half a character": (b'{"query": "\\ud800"}', 400, ""),
    "deep": (b'{"query": ' + b"[" * 4000 + b"]" * 4000 + b"}", 400, ""),
    "no query": (b'{"k": 3}', 400, "/query"),
    "a query that is null": (question(query=None), 400, "/query"),
    "a query that is a number": (question(query=7), 400, "/query"),
    "a query that is a list": (question(query=[MARK]), 400, "/query"),
    "a query that is an object": (question(query={MARK: 1}), 400, "/query"),
    "an empty query": (question(query=""), 400, "/query"),
    "a blank query": (question(query=" \u00a0 "), 400, "/query"),
    "a query too long": (question(query="é" * 2001), 400, "/query"),
    "a query with a bell": (question(query=f"{MARK}\x07"), 400, "/query"),
    "a query with an escape": (question(query=f"{MARK}\x1b[2J"), 400, "/query"),
    "a query with a C1 control": (question(query=f"{MARK}\x85"), 400, "/query"),
    "k is 0": (question(k=0), 400, "/k"),
    "k is 51": (question(k=51), 400, "/k"),
    "k is negative": (question(k=-1), 400, "/k"),
    "k is a fraction": (question(k=1.5), 400, "/k"),
    "k is a text": (question(k="3"), 400, "/k"),
    "k is true": (question(k=True), 400, "/k"),
    "k is NaN": (b'{"query": "x", "k": NaN}', 400, "/k"),
    "k has 400 digits": (b'{"query": "x", "k": ' + b"9" * 400 + b"}", 400, "/k"),
    "an unknown mode": (question(mode=MARK), 400, "/mode"),
    "a channel that is a path": (question(channel="../../etc"), 400, "/channel"),
    "a deadline of 0": (question(timeout_ms=0), 400, "/timeout_ms"),
    "an unknown field": (question(collection=MARK), 400, "/collection"),
    "a field that would widen": (question(tenant=MARK), 400, "/tenant"),
    "a field with slashes in its name": (question(**{"a/b~c": 1}), 400, "/a~1b~0c"),
    "larger than is read": (question(query=MARK * 2_000), 413, ""),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_is_no_question_is_a_named_problem(running: Running, key: str, name: str) -> None:
    body, status, pointer = MALFORMED[name]
    told = running.ask(key, body)
    assert (told.status_code, told.headers["content-type"]) == (status, MEDIA_TYPE)
    said = told.json()
    assert said["query_id"].startswith("q_")
    assert "unquotable" not in told.text
    if status == 400:
        pointers = [fault["pointer"] for fault in said["errors"]]
        assert pointers == [pointer]


def test_there_are_forty_of_them() -> None:
    assert len(MALFORMED) >= 40


LONG = ["x" * 2000, "é" * 2000, "\U0001f980" * 2000, "e\u0301" * 2000]


@pytest.mark.parametrize("query", [*LONG, "<script>", "' OR 1=1 --", "*", "AND OR NOT (", 'title:"x"~'])
def test_a_question_within_the_limits_is_answered_whatever_it_says(running: Running, key: str, query: str) -> None:
    body = json.dumps({"query": query}, ensure_ascii=False).encode()
    assert running.ask(key, body).status_code == 200
