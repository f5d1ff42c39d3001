"""A store that is away, slow, closed or broken: the source is held with words that help, and no secret is told."""

import re
import socket
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_pipeline.connectors.files import FilesServer
from rag_pipeline.connectors.files.connector import Files
from rag_pipeline.connectors.table.connector import Table
from rag_pipeline.errors import PipelineError, SourceUnavailable, Unreadable
from rag_pipeline.limits import Limits
from rag_pipeline.places.prefetch import PENDING
from tests.support.object_store import SECRET, Answer, Bucket, Script, listed, new_bucket, set_credentials, wait_until


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    set_credentials(monkeypatch)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with new_bucket() as bucket:
        bucket.put(**{f"{n}.md": f"text {n}".encode() for n in range(3)})
        yield bucket


def refusing(status: int) -> Script:
    body = f"<Error><Code>Code</Code><Message>{SECRET}</Message></Error>"
    return lambda method, path: Answer(status, body.encode())


def at_first(times: int, answer: Answer) -> Script:
    """Answers by itself so many times, then lets the requests through."""
    left = [answer] * times
    return lambda method, path: left.pop() if left else None


def told(error: PipelineError) -> str:
    """All that a log would show of an error."""
    return "".join(traceback.format_exception(error))


def list_in_vain(bucket: Bucket, **fields: object) -> str:
    with pytest.raises(SourceUnavailable) as raised:
        listed(Files(bucket.server(**fields)))  # type: ignore[arg-type]
    assert str(raised.value).startswith(f"s3://{bucket.name}: ")
    assert SECRET not in told(raised.value)
    assert bucket.door.url not in told(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "words", "requests"),
    [
        (400, "expired credentials, or another region?", 1),
        (401, r"access denied \(401\); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", 1),
        (403, r"access denied \(403\); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", 1),
        (404, r"no such bucket or object \(404\); check `location`", 1),
        (301, "set AWS_REGION", 1),
        (429, "the store answers 429, also after 2 more tries", 3),
        (500, "the store answers 500, also after 2 more tries", 3),
        (503, "the store answers 503, also after 2 more tries", 3),
    ],
)
def test_a_store_that_refuses_to_list_makes_the_source_unavailable(
    bucket: Bucket, status: int, words: str, requests: int
) -> None:
    bucket.door.script = refusing(status)
    assert re.search(words, list_in_vain(bucket))
    assert len(bucket.door.requests) == requests


def test_a_bucket_that_is_not_there_makes_the_source_unavailable(bucket: Bucket) -> None:
    bucket.name += "-other"
    assert "no such bucket" in list_in_vain(bucket)


def test_an_answer_that_is_no_listing_makes_the_source_unavailable(bucket: Bucket) -> None:
    bucket.door.script = lambda method, path: Answer(200, f"<{SECRET}".encode())
    assert "not of its kind" in list_in_vain(bucket)


@pytest.fixture(scope="module")
def large() -> Iterator[Bucket]:
    """A bucket that is listed in two pages."""
    with new_bucket() as bucket:
        bucket.put(**{f"{n:04}.md": b"x" for n in range(1_200)})
        yield bucket


def test_a_listing_that_breaks_off_makes_the_source_unavailable(large: Bucket) -> None:
    large.door.script = lambda method, path: refusing(503)(method, path) if "continuation-token" in path else None
    assert "the store answers 503" in list_in_vain(large)


def test_an_answer_that_is_no_listing_is_not_taken_for_the_end_of_one(large: Bucket) -> None:
    page = Answer(200, b"<html><body>Please log in.</body></html>")
    large.door.script = lambda method, path: page if "continuation-token" in path else None
    assert len(listed(Files(large.server()))) == 1_200


def test_a_store_that_does_not_answer_is_given_up_after_the_time_of_the_contract(bucket: Bucket) -> None:
    bucket.door.script = lambda method, path: Answer(hang=True)
    words = list_in_vain(bucket, limits=Limits(timeout_s=0.2, retries=1))
    assert "does not answer within 0.2 s, also after 1 more tries" in words
    assert len(bucket.door.requests) == 2


def test_an_address_nobody_listens_at_makes_the_source_unavailable(bucket: Bucket) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert "cannot be reached" in list_in_vain(bucket, endpoint=endpoint, limits=Limits(timeout_s=2, retries=0))


def test_nothing_is_sent_unencrypted_to_an_address_that_says_https(bucket: Bucket) -> None:
    endpoint = bucket.door.url.replace("http:", "https:")
    assert "cannot be reached" in list_in_vain(bucket, endpoint=endpoint, limits=Limits(timeout_s=2, retries=0))
    assert bucket.door.requests == []


def test_credentials_that_are_nowhere_are_missed_by_their_names(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", bucket.door.url)
    bucket.door.script = lambda method, path: Answer(404)
    words = list_in_vain(bucket)
    assert "no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in words
    assert "AWS_SKIP_SIGNATURE=true for a public bucket" in words


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_line_break_behind_a_credential_holds_the_source(
    bucket: Bucket, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"{SECRET}\n")
    assert "such as a line break at its end" in list_in_vain(bucket)


def test_an_address_that_cannot_be_asked_holds_the_source(bucket: Bucket) -> None:
    assert "look at endpointUrl in the contract" in list_in_vain(bucket, endpoint="http://a b")


@pytest.mark.parametrize(
    "location",
    [
        "s3://",
        "s3:///docs",
        "ftp://bucket/docs",
        "bucket/docs",
        "s3://a bucket/docs",
        "s3://key@bucket/docs",
        "s3://bucket//docs",
    ],
)
def test_a_location_that_names_no_bucket_says_how_to_write_one(location: str) -> None:
    with pytest.raises(SourceUnavailable, match=r"names no bucket and prefix; write s3://bucket/prefix"):
        Files(FilesServer(location=location))


def test_a_location_with_a_key_in_it_is_not_repeated() -> None:
    with pytest.raises(SourceUnavailable, match="names no bucket") as raised:
        Files(FilesServer(location=f"s3://key:{SECRET}@bucket/docs"))
    assert SECRET not in told(raised.value)


@pytest.mark.parametrize("endpoint", ["localhost:9000", "not an address", "http://", "ftp://host"])
def test_an_endpoint_that_is_no_address_makes_the_source_unavailable(bucket: Bucket, endpoint: str) -> None:
    assert "cannot be set up" in list_in_vain(bucket, endpoint=endpoint)


def test_an_azure_store_without_an_account_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(SourceUnavailable, match=r"cannot be set up .* set AZURE_STORAGE_ACCOUNT_NAME"):
        Files(FilesServer(location="az://container/docs"))


def test_a_key_file_that_is_none_is_not_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_SKIP_SIGNATURE")
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", f'{{"private_key": "{SECRET}"')
    with pytest.raises(SourceUnavailable, match=r"cannot be set up .* set GOOGLE_APPLICATION_CREDENTIALS") as raised:
        Files(FilesServer(location="gs://bucket/docs"))
    assert SECRET not in told(raised.value)


@pytest.mark.parametrize("answer", [Answer(503), Answer(429)])
def test_a_store_that_is_busy_for_a_while_is_asked_again(bucket: Bucket, answer: Answer) -> None:
    bucket.door.script = at_first(2, answer)
    files = Files(bucket.server())
    items = listed(files)
    assert len(bucket.door.listed) == 3
    bucket.door.script = at_first(2, answer)
    assert next(iter(files.read(items[0])))["text"] == "text 0"
    assert len(bucket.door.fetched) == 3


def test_an_object_whose_transfer_breaks_off_is_fetched_on_and_read_whole(bucket: Bucket) -> None:
    content = "".join(f"line {n}\n" for n in range(20_000))
    bucket.put(**{"0.md": content.encode()})
    files = Files(bucket.server())
    items = listed(files)
    whole = {"ETag": items[0].version, "Last-Modified": "Sat, 21 Nov 2026 19:03:14 GMT"}
    bucket.door.script = at_first(1, Answer(200, content.encode(), whole, cut=100_000))
    assert next(iter(files.read(items[0])))["text"] == content
    assert len(bucket.door.fetched) == 2


def cut_off(method: str, path: str) -> Answer:
    return Answer(200, b"x" * 1000, {"ETag": '"e"', "Last-Modified": "Sat, 21 Nov 2026 19:03:14 GMT"}, cut=500)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (refusing(503), "the store answers 503"),
        (refusing(401), "access denied"),
        (lambda method, path: Answer(hang=True), "does not answer within 0.3 s"),
        (cut_off, "s3://"),
        (lambda method, path: Answer(404, b"<Error><Code>NoSuchBucket</Code></Error>"), "no such bucket"),
    ],
)
@pytest.mark.parametrize("connector", [Files, Table])
def test_a_store_that_fails_while_it_is_read_makes_the_source_unavailable(
    bucket: Bucket, script: Script, words: str, connector: type[Files] | type[Table]
) -> None:
    limits = Limits(timeout_s=0.3, retries=1)
    server = bucket.server if connector is Files else bucket.table
    files = connector(server(pattern="*.md", limits=limits))  # type: ignore[arg-type]
    items = listed(files)
    bucket.door.script = script
    files.expect(items)
    with pytest.raises(SourceUnavailable, match=words) as raised:
        list(files.read(items[0]))
    assert SECRET not in told(raised.value) and bucket.door.url not in told(raised.value)


@pytest.mark.parametrize(
    ("status", "words"), [(404, "it is gone since it was listed"), (403, "access to this object is denied")]
)
@pytest.mark.parametrize("connector", [Files, Table])
def test_one_object_that_cannot_be_had_is_unreadable_and_the_others_are_read(
    bucket: Bucket, status: int, words: str, connector: type[Files] | type[Table]
) -> None:
    bucket.put(**{f"{n}.md": b'{"id": 1}\n' for n in range(3)})
    server = bucket.server if connector is Files else bucket.table
    files = connector(server(pattern="*.md"))  # type: ignore[arg-type]
    items = listed(files)
    bucket.door.script = lambda method, path: refusing(status)(method, path) if path.endswith("/1.md") else None
    files.expect(items)
    assert len(list(files.read(items[0]))) == 1
    with pytest.raises(Unreadable, match=words) as raised:
        list(files.read(items[1]))
    assert SECRET not in told(raised.value)
    assert len(list(files.read(items[2]))) == 1


def fetching() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fetch")]


def test_a_store_that_failed_is_asked_for_no_more_documents(bucket: Bucket) -> None:
    bucket.put(**{f"{n:03}.md": b"x" for n in range(100)})
    files = Files(bucket.server(limits=Limits(timeout_s=5, retries=0)))
    items = listed(files)
    bucket.door.script = refusing(503)
    files.expect(items)
    with pytest.raises(SourceUnavailable):
        list(files.read(items[0]))
    wait_until(lambda: not fetching())
    assert 1 <= len(bucket.door.fetched) <= PENDING + 1
