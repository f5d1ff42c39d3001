"""Two machines and one object: the store decides who was first."""

from pathlib import Path

import pytest

from rag_pipeline.errors import HomeUnreachable, Overtaken, PipelineError
from rag_pipeline.limits import Limits
from rag_pipeline.settings import settings_of
from rag_pipeline.storage.objects import Known, StoredObjects, in_bucket, in_memory, parts_of
from tests.support.bucket_home import BucketHome
from tests.support.object_store import SECRET


@pytest.fixture(params=["memory", "s3"])
def objects(request: pytest.FixtureRequest) -> StoredObjects:
    """The same of both: `create` and `swap` are the store's own."""
    if request.param == "memory":
        return in_memory()
    bucket: BucketHome = request.getfixturevalue("bucket")
    return bucket.objects


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


def test_a_bucket_that_is_not_there_is_told_with_the_setting(bucket: BucketHome) -> None:
    gone = in_bucket("s3://no-such-bucket/home")
    for asked in (lambda: list(gone.list("")), lambda: gone.read("a"), lambda: gone.create("a", b"one")):
        with pytest.raises(HomeUnreachable, match=r"s3://no-such-bucket/home.*no such bucket.*check RAG_HOME"):
            asked()


def test_a_store_that_nobody_listens_for_is_told_without_the_secret(
    bucket: BucketHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
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
