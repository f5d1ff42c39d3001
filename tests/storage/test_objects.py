"""Two machines and one object: the store decides who was first."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rag_pipeline.errors import HomeUnreachable, Overtaken, PipelineError
from rag_pipeline.limits import Limits
from rag_pipeline.settings import settings_of
from rag_pipeline.storage.objects import Known, StoredObjects, in_bucket, in_memory, parts_of
from tests.support.bucket_home import BucketHome, home_on, on_each_store
from tests.support.bucket_stores import STORES
from tests.support.object_store import SECRET, Answer, open_door, set_credentials

_NOBODY = {"private_key": "no key", "private_key_id": "none", "client_email": "nobody", "disable_oauth": True}
"""An account of Google's that asks for no token."""


@pytest.fixture(params=["memory", *STORES])
def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredObjects:
    """The same of all: `create` and `swap` are the store's own."""
    if request.param == "memory":
        return in_memory()
    return home_on(request.param, request, tmp_path / "machines", monkeypatch).objects


def test_one_of_two_makes_it(objects: StoredObjects) -> None:
    objects.create("channels/a.json", b"one")
    with pytest.raises(Overtaken, match=r"channels/a.json was written by another machine meanwhile"):
        objects.create("channels/a.json", b"two")
    found = objects.read("channels/a.json")
    assert found is not None and found.data == b"one"


def test_what_was_sent_twice_because_its_answer_was_lost_is_made_once(objects: StoredObjects) -> None:
    version = objects.create("a", b"one")
    assert objects.create("a", b"one") == version


def test_one_of_two_replaces_it(objects: StoredObjects) -> None:
    before = objects.create("a", b"one")
    objects.swap("a", b"two", before)
    with pytest.raises(Overtaken):
        objects.swap("a", b"three", before)
    objects.remove(["a", "never there"])
    with pytest.raises(Overtaken):
        objects.swap("a", b"three", before)
    assert objects.read("a") is None and not objects.is_there("a")


def test_what_is_known_is_not_sent_again(objects: StoredObjects) -> None:
    version = objects.put("a", b"one")
    with pytest.raises(Known):
        objects.read("a", unless=version)
    objects.put("a", b"two")
    found = objects.read("a", unless=version)
    assert found is not None and found.data == b"two"


def test_a_listing_tells_versions_below_a_folder_and_no_other(objects: StoredObjects, tmp_path: Path) -> None:
    versions = {key: objects.put(key, key.encode()) for key in ("a/1", "a/b/2", "ab/3", "c%20d=[e]|f/4")}
    assert {one.key: one.version for one in objects.list("")} == versions
    assert {one.key for one in objects.list("a")} == {"a/1", "a/b/2"}
    told, checksum = objects.download("c%20d=[e]|f/4", tmp_path / "copy")
    assert (
        (tmp_path / "copy").read_bytes() == b"c%20d=[e]|f/4" and told.version == versions[told.key] and len(checksum) == 64
    )
    with pytest.raises(FileNotFoundError):
        objects.download("a/9", tmp_path / "none")


def test_what_is_gone_already_keeps_nothing_else_there(objects: StoredObjects) -> None:
    keys = [f"traffic/{number:04}" for number in range(0, 600, 2)]
    for key in keys[::30]:
        objects.put(key, b"one")
    objects.remove(sorted({*keys, *(f"traffic/{number:04}" for number in range(1, 600, 60))}))
    assert not list(objects.list("traffic"))


@on_each_store
def test_a_version_is_one_text_however_it_is_asked_for(bucket: BucketHome, tmp_path: Path) -> None:
    objects = bucket.objects
    version = objects.create("a", b"one")
    (listed,) = objects.list("")
    found, (told, _) = objects.read("a"), objects.download("a", tmp_path / "copy")
    assert found and {version, listed.version, found.version, told.version} == {version}
    with pytest.raises(Known):
        objects.read("a", unless=listed.version)
    swapped = objects.swap("a", b"two", listed.version)
    assert [one.version for one in objects.list("")] == [swapped] != [version]


@on_each_store
@pytest.mark.parametrize("after", [False, True], ids=["before the store had it", "after the store had it"])
def test_a_connection_that_ends_in_the_middle_of_a_write_is_no_failure(
    bucket: BucketHome, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    at = urlsplit(bucket.store.url)
    with open_door((str(at.hostname), int(at.port or 0))) as door:
        monkeypatch.setenv(bucket.store.endpoint, door.url + at.path)
        objects = in_bucket(bucket.uri)
        door.script = lambda method, path: Answer(gone=True, after=after) if method == "PUT" and drops.pop() else None
        drops = [False, True]
        version = objects.create("a", b"one")
        drops = [False, True, True]
        assert objects.swap("a", b"two", version) != version
        assert (found := bucket.objects.read("a")) and found.data == b"two"
        drops = [True] * 5
        with pytest.raises(HomeUnreachable, match="cannot be reached, also after 4 more tries"):
            objects.create("b", b"one")
        assert drops == []


def test_google_is_asked_to_compare_the_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server that runs here takes what is sent to Google's: it is held against answers as Google documents them."""
    set_credentials(monkeypatch)
    current = {"ETag": '"now"', "x-goog-generation": "7", "Last-Modified": "Mon, 30 Nov 2026 09:00:00 GMT"}
    with open_door(script=lambda method, path: Answer(headers=current if method != "PUT" else {"ETag": '"new"'})) as door:
        monkeypatch.setenv("GOOGLE_BASE_URL", door.url)
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(_NOBODY | {"gcs_base_url": door.url}))
        objects = in_bucket("gs://bucket/home")
        assert objects.swap("a", b"new", '"now"') == '"new"'
        assert [method for method, _ in door.requests] == ["HEAD", "PUT"]
        assert door.headers[1]["x-goog-if-generation-match"] == "7"
        assert objects.create("a", b"new") == '"new"'
        assert door.headers[2]["x-goog-if-generation-match"] == "0"
        with pytest.raises(Overtaken):
            objects.swap("a", b"new", '"before"')
        assert [method for method, _ in door.requests[3:]] == ["HEAD", "GET"], "nothing is sent"


@on_each_store
def test_a_file_that_is_sent_in_parts_is_made_once(
    bucket: BucketHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_pipeline.storage.objects._WHOLE", 1_000_000)
    (tmp_path / "large").write_bytes(os.urandom(1_000) * 12_000)
    version = bucket.objects.create("releases/x/large", tmp_path / "large")
    assert [(one.size_bytes, one.version) for one in bucket.objects.list("")] == [(12_000_000, version)]
    with pytest.raises(Overtaken):
        bucket.objects.create("releases/x/large", tmp_path / "large")


@on_each_store
def test_a_bucket_that_is_not_there_is_told_with_the_setting(bucket: BucketHome) -> None:
    uri = f"{bucket.store.scheme}://no-such-bucket/home"
    gone = in_bucket(uri)
    for asked in (
        lambda: list(gone.list("")),
        lambda: gone.read("a"),
        lambda: gone.create("a", b"one"),
        lambda: gone.swap("a", b"one", '"x"'),
        lambda: gone.remove(["a"]),
    ):
        with pytest.raises(HomeUnreachable, match=rf"{uri}.*no such bucket.*check RAG_HOME"):
            asked()


@pytest.mark.parametrize("bucket", STORES[1:], indirect=True)
def test_a_wrong_key_is_told_with_the_variables(bucket: BucketHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(SECRET.encode()).decode())
    with pytest.raises(HomeUnreachable, match=r"access denied \(403\); set AZURE_STORAGE_ACCOUNT_NAME and") as told:
        in_bucket(bucket.uri).read("a")
    assert SECRET not in str(told.value)


@on_each_store
def test_a_store_that_nobody_listens_for_is_told_without_the_secret(
    bucket: BucketHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(bucket.store.endpoint, "http://127.0.0.1:9/account")
    monkeypatch.setattr("rag_pipeline.storage.objects._LIMITS", Limits(timeout_s=1, retries=0))
    with pytest.raises(HomeUnreachable, match=r"cannot be reached.*check the address") as told:
        in_bucket(bucket.uri).read("a")
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    ("home", "says"),
    {
        "no bucket": (
            "ftp://x/y",
            "ftp://x/y is a URL; name a folder on this machine, or a bucket by s3://, gs:// or az://",
        ),
        "whole bucket": ("s3://bucket", "names no bucket and prefix; write s3://bucket/prefix"),
        "secret": ("s3://bucket/a?b=c", "names no bucket and prefix"),
        "up": ("gs://bucket/../x", "names no bucket and prefix"),
    }.values(),
)
def test_an_address_that_is_no_home_is_refused(home: str, says: str) -> None:
    with pytest.raises(PipelineError, match=f"RAG_HOME=.*{says}".replace("?", r"\?")):
        settings_of({"home": home}, lambda _: "RAG_HOME")


def test_a_bucket_without_locks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("", "files"):
        monkeypatch.setenv("RAG_LOCKS", said)
        with pytest.raises(PipelineError, match="two machines could write at once: set RAG_LOCKS to a PostgreSQL"):
            settings_of({"home": "s3://bucket/home"}, lambda _: "RAG_HOME")
    monkeypatch.setenv("RAG_LOCKS", "redis://x")
    with pytest.raises(PipelineError, match="RAG_LOCKS is neither `files` nor the address of a PostgreSQL"):
        settings_of({"home": "s3://bucket/home"}, lambda _: "RAG_HOME")


def test_locks_of_a_server_for_a_folder_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAG_LOCKS", "postgresql://user:secret-of-locks@host/db")
    with pytest.raises(PipelineError, match=r"is a folder, whose locks are files; unset RAG_LOCKS") as told:
        settings_of({"home": tmp_path}, lambda _: "RAG_HOME")
    assert "secret-of-locks" not in str(told.value)


def test_the_parts_of_an_address() -> None:
    assert parts_of("s3://bucket/a/b/") == ("s3", "bucket", "a/b")
    with pytest.raises(PipelineError, match="no kind of bucket that a home may lie in; there are s3://, gs://, az://"):
        parts_of("ftp://x/y")
