"""The handbook on a home in a bucket, and the same one in a folder: the same release, answers and verdict."""

import os
from pathlib import Path

import pytest

from rag_pipeline.channels.pointer import read_channel, serving
from rag_pipeline.defs.run import refresh
from rag_pipeline.index.manifest import read_manifest
from tests.conftest import Workspace
from tests.support.bucket_handbook import answers
from tests.support.bucket_home import BucketHome, on_each_store


@on_each_store
def test_a_bucket_gives_the_release_that_a_folder_gives(
    bucket: BucketHome, handbook: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RAG_LOCKS")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "of-the-folder"))
    on_disk = refresh(handbook.settings)
    monkeypatch.setenv("RAG_LOCKS", bucket.locks)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "of-the-bucket"))
    machine = bucket.of(handbook)
    nothing = bucket.store.requests()
    in_bucket = refresh(machine)
    first = bucket.store.requests() - nothing
    assert on_disk.success and in_bucket.success, (on_disk.errors, in_bucket.errors)

    local, there = read_channel(handbook.home, "production"), read_channel(machine.home, "production")
    assert local and there and local.fingerprint == there.fingerprint
    assert answers(handbook.settings) == answers(machine)
    assert on_disk.assets["index/evaluation"]["verdict"] == in_bucket.assets["index/evaluation"]["verdict"]
    other = bucket.of(handbook, "two")
    assert answers(other) == answers(machine), "another machine, with nothing but the bucket"
    assert {
        f"releases/{there.release}/{name}" for name in read_manifest(other.home.release(there.release)).files
    } <= bucket.there()
    assert not Path("s3:").exists()

    before_all = bucket.store.requests()
    before = sum(before_all.values())
    again = refresh(machine)
    asked = sum(bucket.store.requests().values()) - before
    (tmp_path / "asked").write_text(f"first {first}, unchanged {asked}: {bucket.store.requests() - before_all}")
    assert again.success and serving(machine.home) == there.release
    assert again.assets["corpus/embeddings"]["embedded"] == 0
    assert asked <= 300
    assert os.environ["RAG_LOCKS"] not in str(again)
