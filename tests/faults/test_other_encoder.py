"""What answers users is what was evaluated: an encoder that gives other vectors than before is found, not believed."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from rag_pipeline.channels.audit import move_and_record
from rag_pipeline.channels.pointer import Channel
from rag_pipeline.cli import main
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.control import LEAST_COSINE, nearness
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.encoders import encoder_of, torch_encoder
from rag_pipeline.corpus.encoders.export import kept_graph
from rag_pipeline.corpus.encoders.graph import TORCH, GraphEncoder
from rag_pipeline.corpus.model import Encoder, Model, Vectors, _loaded, model_of
from rag_pipeline.corpus.query_vectors import query_vectors_table
from rag_pipeline.corpus.tables import VECTORS, vectors_table
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.files import file_sha256, write_json
from rag_pipeline.home import CONTROL_FILE
from rag_pipeline.index import control
from rag_pipeline.index.build import build_release, rebuild_release
from rag_pipeline.index.manifest import Manifest, ModelEntry, read_manifest
from rag_pipeline.index.retrieve import encoder_for
from rag_pipeline.index.verify import verify_release
from rag_pipeline.ours import EXPORT_FILE
from rag_pipeline.release.serving import ChannelReader
from tests.conftest import Workspace
from tests.support.evaluated_home import LATER, PAGES, Desk
from tests.support.small_releases import (
    NOW,
    CountingEncoder,
    SmallModel,
    bag_of_words,
    chunker,
    recipe,
    release_of,
    store_documents,
)

ASKED = "what do cats do"


@dataclass(frozen=True)
class Drifted(SmallModel):
    """The same files by name and hash; what runs them turns every vector a little."""

    by: float = 0.2

    def load(self) -> Encoder:
        drift = self.by

        class Other(CountingEncoder):
            def documents(self, texts: list[str]) -> Vectors:
                found = super().documents(texts) + drift * np.eye(1, 256, 7, dtype=np.float32)
                return found / np.linalg.norm(found, axis=1, keepdims=True)

            queries = documents

        return Other()


@pytest.fixture
def desk(workspace: Workspace) -> Desk:
    manifest = release_of(workspace.home, PAGES).manifest
    workspace.golden("animals", {"cats purr": ["handbook/cats.md"], "dogs bark": ["handbook/dogs.md"]})
    return Desk(workspace, manifest.id)


def manifest_of(desk: Desk) -> Manifest:
    return read_manifest(desk.home.release(desk.release))


def test_a_release_keeps_a_control_of_its_own_texts_with_the_vectors_of_its_index(desk: Desk) -> None:
    manifest = manifest_of(desk)
    assert CONTROL_FILE in manifest.files and verify_release(desk.home, desk.release) == ()
    found = control.control_of(desk.home, manifest)
    assert found is not None and sorted(found.texts) == sorted(PAGES.values())
    assert np.array_equal(found.vectors, np.stack([bag_of_words(text) for text in found.texts]))


def test_texts_of_every_length_are_chosen_and_the_same_ones_again(workspace: Workspace) -> None:
    texts = {f"p{number}.md": f"# P{number}\n\n{'word ' * number}" for number in range(1, 30)}
    one = release_of(workspace.home, texts).manifest
    found = control.control_of(workspace.home, one)
    assert found is not None and len(found.texts) == 5
    lengths = sorted(map(len, found.texts))
    assert lengths[0] < 20 and lengths[-1] > 140 and 60 < lengths[2] < 90
    (workspace.home.release(one.id) / "stray").touch()
    twin = rebuild_release(workspace.home, one, run_id="r", now=NOW).manifest
    again = control.control_of(workspace.home, twin)
    assert again is not None and again.texts == found.texts


def test_an_encoder_that_gives_other_vectors_is_refused_wherever_it_meets_a_release(desk: Desk) -> None:
    manifest = manifest_of(desk)
    assert encoder_for(desk.home, manifest, SmallModel()).queries(["a"]).shape == (1, 256)  # type: ignore[arg-type]
    near = Drifted(by=0.001)
    encoder_for(desk.home, manifest, near)  # type: ignore[arg-type]
    with pytest.raises(
        PipelineError, match=rf"vectors of release {desk.release} any more: cosine 0\.9\d+ at the worst of 3"
    ):
        encoder_for(desk.home, manifest, Drifted())  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match="does not give the vectors of release"):
        desk.evaluate(model=Drifted())
    assert not list(desk.home.evidence.glob("*/*.json")), "nothing is written down of it"


def test_a_reader_that_follows_a_channel_gets_no_other_encoder_either(desk: Desk) -> None:
    move = Channel(
        release=desk.release,
        fingerprint="f",
        previous=None,
        sequence=1,
        at=NOW,
        by="t",
        why="t",
        run_id="r",
        action="overridden",
    )
    move_and_record(desk.home, "production", move, expected=None)
    with ChannelReader(desk.home) as reader:
        assert reader.encoder(SmallModel()).queries(["a"]).shape == (1, 256)  # type: ignore[arg-type]
        with pytest.raises(PipelineError, match="does not give the vectors of release"):
            reader.encoder(Drifted())  # type: ignore[arg-type]


def test_a_release_without_control_texts_gets_some_from_its_chunks_and_stored_vectors(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """As releases were built before there were any."""
    folder = desk.home.release(desk.release)
    manifest = manifest_of(desk)
    (folder / CONTROL_FILE).unlink()
    others = {name: one for name, one in manifest.files.items() if name != CONTROL_FILE}
    older = manifest.model_copy(update={"files": others})
    write_json(folder / "manifest.json", older.model_dump(mode="json"))
    with pytest.raises(PipelineError, match="does not give the vectors"):
        encoder_for(desk.home, older, Drifted())  # type: ignore[arg-type]
    encoder_for(desk.home, older, SmallModel())  # type: ignore[arg-type]
    shutil.rmtree(vectors_table(desk.home).path)
    encoder_for(desk.home, older, SmallModel())  # type: ignore[arg-type]
    assert "nobody can tell whether the model still gives the vectors" in caplog.text


def test_control_texts_that_were_changed_are_damage(desk: Desk) -> None:
    path = desk.home.release(desk.release) / CONTROL_FILE
    path.chmod(0o644)
    pl.read_parquet(path).head(1).write_parquet(path)
    with pytest.raises(ReleaseError, match=r"canary\.parquet of .* is not the one it was built with"):
        encoder_for(desk.home, manifest_of(desk), SmallModel())  # type: ignore[arg-type]
    assert verify_release(desk.home, desk.release)


def test_new_texts_are_not_embedded_by_an_encoder_that_gives_other_vectors_for_the_old_ones(desk: Desk) -> None:
    before = vectors_table(desk.home).scan().collect().height
    store_documents(desk.home, "handbook", PAGES | {"new.md": "# New\n\na page nobody has embedded"})
    update_chunks(desk.home, ["handbook"], chunker())
    other = Drifted()
    with pytest.raises(PipelineError, match="vectors of the texts embedded before any more"):
        update_embeddings(desk.home, other, other.load)  # type: ignore[arg-type]
    assert vectors_table(desk.home).scan().collect().height == before
    same = SmallModel()
    assert update_embeddings(desk.home, same, same.load).embedded == 1  # type: ignore[arg-type]


def test_stored_vectors_of_questions_that_are_not_the_models_are_named(desk: Desk) -> None:
    first = desk.evaluate()
    table = query_vectors_table(desk.home)
    rows = table.scan().collect().to_dicts()
    for row in rows:
        row["vector"] = bag_of_words("fish swim").tolist()
    table.overwrite(pl.DataFrame(rows).to_arrow().cast(VECTORS))
    with pytest.raises(PipelineError, match=r"stored vector of question q\d of animals is not what the model gives now"):
        desk.evaluate(now=LATER)
    shutil.rmtree(table.path)
    again = desk.evaluate(now=LATER)
    assert again.golden_sets["animals"].values == first.golden_sets["animals"].values, "what it says fixes it"


def test_after_an_upgrade_of_a_library_everything_is_measured_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.evaluate()
    assert {"python", "torch", "numpy", "chromadb", "tokenizers"} <= first.runtime.keys() and first.processor
    assert desk.evaluate(now=LATER, reuse_hours=2) == first
    upgraded = first.runtime | {"numpy": "99.0"}
    monkeypatch.setattr("rag_pipeline.evaluate.evaluate.runtime_of", lambda backend: upgraded)
    again = desk.evaluate(now=LATER, reuse_hours=2)
    assert again.seal != first.seal and again.runtime["numpy"] == "99.0"


def test_nearness_of_what_is_no_vector_is_none() -> None:
    good, zero = np.eye(2, dtype=np.float32), np.zeros((2, 2), dtype=np.float32)
    assert nearness(good, good).min() == 1.0
    assert nearness(good, zero).max() < LEAST_COSINE > nearness(good, np.full((2, 2), np.nan, dtype=np.float32)).max()
    assert nearness(good, np.eye(2, 3, dtype=np.float32)).max() == -1.0


@pytest.fixture
def served(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Workspace, Model, Manifest]]:
    """A release by the real model, whose graph an earlier run kept; settings are in the environment, as for a command."""
    for name, value in workspace.environment.items():
        if name.startswith("RAG_"):
            monkeypatch.setenv(name, value)
    (workspace.root / "contracts").mkdir()
    (workspace.root / "evals").mkdir()
    model = model_of(workspace.settings)
    monkeypatch.setattr(torch_encoder, "MUCH", 1)
    store_documents(workspace.home, "handbook", PAGES)
    update_chunks(workspace.home, ["handbook"], chunker())
    update_embeddings(workspace.home, model, model.load)
    entry = ModelEntry(name=str(model.folder), fingerprint=model.fingerprint, dimensions=model.dimensions)
    manifest = build_release(workspace.home, replace(recipe(), model=entry), run_id="r", now=NOW).manifest
    assert kept_graph(model)
    _loaded.cache_clear()
    yield workspace, model, manifest
    _loaded.cache_clear()


def replace_graph(model: Model) -> None:
    """The kept graph is replaced by one of another model, its checksum file too."""

    class Other(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(40_000, model.dimensions)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return (self.table(input_ids) * attention_mask.unsqueeze(-1)).sum(1)

    folder = model.exports / model.fingerprint
    ids = torch.ones((2, 5), dtype=torch.long)
    torch.jit.save(torch.jit.trace(Other().eval(), (ids, ids)), str(folder / TORCH))
    told = json.loads((folder / EXPORT_FILE).read_text(encoding="utf-8"))
    write_json(folder / EXPORT_FILE, told | {"files": {TORCH: file_sha256(folder / TORCH)}})
    assert kept_graph(model) == folder, "everything that is looked at on disk is as it should be"


def ask(release: str) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["rag", "query", ASKED, "--release", release, "--mode", "dense", "--json"])
        with contextlib.suppress(SystemExit):
            main()
    return [hit["document_id"] for hit in json.loads(out.getvalue())["hits"]]


@pytest.mark.slow
def test_a_kept_graph_that_was_replaced_is_dropped_and_answers_stay_right(
    served: tuple[Workspace, Model, Manifest], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Asked by the command; then on storage that cannot be written; then where new texts are embedded."""
    workspace, model, manifest = served
    folder, copy = model.exports / model.fingerprint, workspace.root / "replaced"
    right = ask(manifest.id)
    assert right[0] == "handbook/cats.md"
    _loaded.cache_clear()
    replace_graph(model)
    shutil.copytree(folder, copy)
    assert isinstance(encoder_of(model), GraphEncoder)
    assert ask(manifest.id) == right
    assert "gives other vectors than it gave" in caplog.text and not folder.exists()

    shutil.copytree(copy, folder)
    _loaded.cache_clear()
    found = control.control_of(workspace.home, manifest)
    assert found is not None

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("rag_pipeline.corpus.control.shutil.rmtree", refuse)
        encoder = encoder_for(workspace.home, manifest, model)
    assert nearness(encoder.documents(found.texts), found.vectors).min() > 0.9999 and folder.exists()

    _loaded.cache_clear()
    text = "# Birds\n\nbirds sing in the morning"
    store_documents(workspace.home, "handbook", PAGES | {"birds.md": text})
    update_chunks(workspace.home, ["handbook"], chunker())
    assert update_embeddings(workspace.home, model, model.load).embedded == 1
    [wanted] = encoder.documents([text])
    stored = vectors_table(workspace.home).scan().collect()["vector"].to_list()
    assert max(float(np.dot(wanted, np.array(vector))) for vector in stored) > 0.9999
