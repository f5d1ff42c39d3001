"""A worker embeds parts into fragments, and says by name why it does not. No Ray here: it is the same without."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rag_pipeline.corpus.control import Control
from rag_pipeline.corpus.engines import worker
from rag_pipeline.corpus.engines.handover import addresses_of
from rag_pipeline.corpus.engines.parts import FOLDER, parts_of, remove_parts
from rag_pipeline.corpus.engines.worker import Orders, Worker, orders_of, versions
from rag_pipeline.corpus.missing import find_missing
from rag_pipeline.corpus.model import Model
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.home_settings import copy_of
from rag_pipeline.lake import Fragment
from tests.support.model_copies import copy_of_model
from tests.support.ray_cluster import MODEL, store_texts, vectors_of
from tests.support.small_releases import real_encoder, real_model

NONE = Control("nothing", [], np.empty((0, 0), dtype=np.float32))


@pytest.fixture
def parts(home: Home) -> Path:
    """A folder with two parts, of five texts and of two."""
    store_texts(home, 7)
    missing = find_missing(chunks_table(home), vectors_table(home), real_model().fingerprint, home.scratch)
    with parts_of(home, missing, 5) as made:
        assert [(part.name, part.texts) for part in made] == [("part-000000.parquet", 5), ("part-000001.parquet", 2)]
        lengths = pl.read_parquet(home.scratch / FOLDER / made[0].name)["text"].str.len_chars()
        assert made[0].characters == lengths.sum()
        assert lengths.is_sorted(descending=True)
        kept = {part.name: (home.scratch / FOLDER / part.name).read_bytes() for part in made}
    assert not (home.scratch / FOLDER).exists(), "they go when the run ends"
    (home.scratch / FOLDER).mkdir()
    for name, content in kept.items():
        (home.scratch / FOLDER / name).write_bytes(content)
    return home.scratch / FOLDER


def orders(home: Home, model: Model | None = None, name: str = MODEL, control: Control = NONE) -> Orders:
    return orders_of(model or real_model(), name, control, addresses_of(home, home.vectors), threads=1)


def test_each_part_becomes_a_fragment_with_the_vectors_of_its_texts(home: Home, parts: Path) -> None:
    worker = Worker(orders(home).as_json())
    model = real_model().fingerprint
    for name, rows in (("part-000000.parquet", 5), ("part-000001.parquet", 2)):
        answer = worker.embed(name)
        assert (answer["part"], answer["rows"], answer.get("error")) == (name, rows, None)
        vectors_table(home).commit([Fragment(answer["path"], answer["rows"], answer["size_bytes"], (("model", model),))])
    texts = chunks_table(home).scan().select("text_hash", "text").collect()
    stored = vectors_of(home)
    assert len(stored) == texts.height == 7
    for text_hash, text in texts.iter_rows():
        assert float(stored[text_hash] @ real_encoder().documents([text])[0]) > 0.999999


def test_a_worker_shows_first_that_it_gives_the_vectors_that_are_stored(home: Home, parts: Path) -> None:
    other = Control("the texts embedded before", ["a text"], -real_encoder().documents(["a text"]))
    answer = Worker(orders(home, control=other).as_json()).embed("part-000000.parquet")
    assert "a worker was refused: the embedding model" in answer["error"]
    assert "does not give the vectors of the texts embedded before" in answer["error"]
    same = Control("the texts embedded before", ["a text"], real_encoder().documents(["a text"]))
    assert "error" not in Worker(orders(home, control=same).as_json()).embed("part-000000.parquet")


def test_a_worker_with_another_model_under_the_same_name_is_refused(home: Home, parts: Path, tmp_path: Path) -> None:
    folder = copy_of_model(real_model().folder, tmp_path / "model")
    wanted = orders(home, replace(real_model(), folder=folder), str(folder))
    config = json.loads((folder / "sentence_bert_config.json").read_text())
    (folder / "sentence_bert_config.json").unlink()
    (folder / "sentence_bert_config.json").write_text(json.dumps(config | {"max_seq_length": 64}))
    answer = Worker(wanted.as_json()).embed("part-000000.parquet")
    assert answer["error"].startswith(f"a worker was refused: RAG_MODEL={folder} is another model there (")
    assert not list(home.vectors.glob("**/*.parquet"))


@pytest.mark.parametrize("what", ["Python", "chromadb", "rag-pipeline"])
def test_a_worker_with_another_version_is_refused_by_name(home: Home, what: str) -> None:
    wanted = replace(orders(home), versions=versions() | {what: "0.0"})
    answer = Worker(wanted.as_json()).embed("part-000000.parquet")
    assert f"it has {what} {versions()[what]}, and the run has 0.0" in answer["error"]
    assert f"{sys.version_info.major}." in versions()["Python"]


def test_a_part_that_cannot_be_read_is_named(home: Home, parts: Path) -> None:
    worker = Worker(orders(home).as_json())
    (parts / "part-000000.parquet").write_bytes(b"PAR1 is all that is left PAR1")
    assert worker.embed("part-000000.parquet")["error"].startswith("part-000000.parquet cannot be read by a worker (")
    assert "RAG_HOME must lie where every node" in worker.embed("part-000009.parquet")["error"]


def test_graphs_of_models_are_kept_where_the_worker_is(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_CACHE", str(tmp_path / "cache"))
    of_a_folder = replace(orders(home), exports="/nowhere/home/models")
    assert worker._exports(of_a_folder) == Path("/nowhere/home/models")
    bucket = {"parts": "scratch/embed-parts", "table": "lake/vectors", "home": "s3://bucket/home"}
    there = copy_of("s3://bucket/home", tmp_path / "cache") / "models"
    assert worker._exports(replace(of_a_folder, handover=bucket)) == there, "on a machine without a copy of the home"
    there.parent.mkdir(parents=True)
    assert worker._exports(replace(of_a_folder, exports=str(there), handover=bucket)) == there, "on the one the run is on"


def test_vectors_no_index_may_hold_are_refused_with_the_name_of_the_part(
    home: Home, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(orders(home).as_json())
    monkeypatch.setattr(worker._encoder, "documents", lambda texts: np.full((len(texts), 384), np.nan, dtype=np.float32))
    says = worker.embed("part-000001.parquet")["error"]
    assert says.startswith("part-000001.parquet was not embedded: the model gave a vector with NaN or infinity")
    assert not list(home.vectors.glob("**/*.parquet"))


def test_parts_of_a_killed_run_are_removed_and_nothing_else(home: Home, parts: Path) -> None:
    (parts / "notes.txt").write_text("a user's own")
    told = ["scratch/embed-parts/part-000000.parquet", "scratch/embed-parts/part-000001.parquet"]
    assert remove_parts(home, dry_run=True) == told
    assert remove_parts(home) == told
    assert [path.name for path in parts.iterdir()] == ["notes.txt"]


def test_what_a_library_says_of_a_text_is_not_told() -> None:
    assert worker._says(ValueError("cannot take 'Ana earns 90,000'")) == "ValueError"
    assert worker._says(FileNotFoundError(2, "No such file or directory", "/home/x")) == (
        "FileNotFoundError: No such file or directory"
    )
    assert worker._says(PipelineError("two\nlines")) == "two lines"
