"""The README's first refresh, whole: the bundled corpus in a bucket, against the same one in a folder."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.model import model_of
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.index.retrieve import encoder_for, open_release
from rag_pipeline.settings import Settings, settings_of
from tests.conftest import Workspace
from tests.support.bucket_home import BucketHome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

PROJECT = Path(__file__).resolve().parents[2]
RAG = Path(sys.executable).with_name("rag")


def refreshed(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run([str(RAG), "refresh", "--json"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def best(settings: Settings) -> dict[str, list[str]]:
    """Question of the bundled golden set -> ids of its ten best chunks in production."""
    lines = (PROJECT / "evals" / "python_docs" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line)["text"] for line in lines]
    release = serving(settings.home)
    assert release
    with open_release(settings.home, release) as opened:
        vectors = encoder_for(settings.home, opened.manifest, model_of(settings)).queries(asked)
        return {one: [hit.chunk_id for hit in opened.search(vector, 10)] for one, vector in zip(asked, vectors, strict=True)}


def test_the_bundled_corpus_in_a_bucket_is_what_it_is_in_a_folder(
    bucket: BucketHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Workspace(PROJECT)
    in_bucket = bucket.environment(project)
    first = refreshed(in_bucket)
    machine = bucket.of(project)
    assert first["texts_embedded"] > 2_000

    log = bucket.store.log
    before, at = sum(bucket.store.requests().values()), log.stat().st_size
    unchanged = refreshed(in_bucket)
    asked = sum(bucket.store.requests().values()) - before
    lines = log.read_text(encoding="utf-8", errors="replace")[at:]
    read = re.findall(r"GET /\S+/home/releases/[^/ ]+/(?!manifest)\S+ HTTP", lines)
    (tmp_path / "told").write_text(json.dumps({"first": first, "unchanged": unchanged, "asked": asked, "read": read}))
    assert (unchanged["texts_embedded"], unchanged["built"]) == (0, False)
    assert asked <= 300
    assert read == [], "it reads no release"

    folder = tmp_path / "home"
    shutil.copytree(machine.home.vectors, folder / "lake" / machine.home.vectors.name)  # embedded once is enough
    on_disk = {name: said for name, said in in_bucket.items() if name not in ("RAG_LOCKS", "RAG_CACHE")}
    local = refreshed(on_disk | {"RAG_HOME": str(folder), "DAGSTER_HOME": str(tmp_path / "dagster")})
    assert (local["texts_embedded"], local["verdict"], local["chunks"]) == (0, first["verdict"], first["chunks"])
    there = read_manifest(machine.home.release(str(first["production"])))
    monkeypatch.delenv("RAG_LOCKS")
    settings = settings_of({"home": folder, "contracts": PROJECT / "contracts", "evals": PROJECT / "evals"}, str)
    here = read_manifest(settings.home.release(str(local["production"])))
    assert here.fingerprint == there.fingerprint
    on_disk_now = best(settings)
    built, read_elsewhere = best(machine), best(bucket_reader(bucket, project, monkeypatch))
    assert len(built) > 100 and read_elsewhere == built, "what another machine finds is what the one that built finds"
    # Two builds of one content are two graphs: of two in a folder, 9 lists of 180 were not the same.
    assert sum(on_disk_now[one] == built[one] for one in built) >= 0.9 * len(built)


def bucket_reader(bucket: BucketHome, project: Workspace, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine with nothing but the bucket."""
    monkeypatch.setenv("RAG_LOCKS", bucket.locks)
    return bucket.of(project, "reader")
