"""A changed model is a different model: everything is embedded again, and no query of the one meets vectors of the other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.model import Model, model_of
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.defs.run import Ran, refresh
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import all_manifests
from rag_pipeline.index.retrieve import encoder_for, open_release
from rag_pipeline.settings import Settings
from tests.conftest import Workspace
from tests.pipeline.conftest import PAGES, QUESTIONS
from tests.support.model_copies import copy_of_model
from tests.support.small_releases import NOW, SmallModel, chunker, recipe, store_documents

WEIGHTS = "model.safetensors"


def replace_file(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def change_json(path: Path, **fields: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) | fields
    replace_file(path, json.dumps(content).encode())


def change_weights(folder: Path, tensor: str = "embeddings.LayerNorm.weight") -> None:
    """Flip the sign of a few weights, as a bad download or another training run would change them: the size stays."""
    content = bytearray((folder / WEIGHTS).read_bytes())
    header = int.from_bytes(content[:8], "little")
    start, _ = json.loads(content[8 : 8 + header])[tensor]["data_offsets"]
    for number in range(12):
        content[8 + header + start + 4 * number + 3] ^= 0x80
    replace_file(folder / WEIGHTS, bytes(content))


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    """Settings whose model is a folder of the test's own."""
    return Settings(home=tmp_path / "home", model=str(copy_of_model(model_of(Settings()).folder, tmp_path / "model")))


def other_weights(own: Settings) -> Settings:
    change_weights(Path(own.model))
    return own


def other_pooling(own: Settings) -> Settings:
    config = Path(own.model) / "1_Pooling/config.json"
    change_json(config, pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    return own


def other_length(own: Settings) -> Settings:
    change_json(Path(own.model) / "sentence_bert_config.json", max_seq_length=16)
    return own


CHANGES: dict[str, Callable[[Settings], Settings]] = {
    "other weights": other_weights,
    "other pooling": other_pooling,
    "another sequence length": other_length,
    "another prompt for documents": lambda own: own.model_copy(update={"document_prompt": "passage: "}),
    "another prompt for queries": lambda own: own.model_copy(update={"query_prompt": "query: "}),
}


def release_with(home: Home, model: Model) -> tuple[int, str]:
    """Embed what is stored with a model and build the release: texts embedded, release id."""
    embedded = update_embeddings(home, model, model.load).embedded
    entry = SmallModel(fingerprint=model.fingerprint, dimensions=model.dimensions)
    return embedded, build_release(home, recipe(entry), run_id="test", now=NOW).manifest.id


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_the_model_embeds_every_text_again_and_refuses_to_mix(own: Settings, change: str) -> None:
    store_documents(own.home, "handbook", PAGES)
    texts = update_chunks(own.home, ["handbook"], chunker()).total
    before = model_of(own)
    embedded, first = release_with(own.home, before)
    assert embedded == texts
    assert update_embeddings(own.home, before, before.load).embedded == 0
    [query] = before.load().queries(["where do I keep my passwords"])
    with open_release(own.home, first) as release:
        answer = release.search(query, 3)

    after = model_of(CHANGES[change](own))
    assert after.folder == before.folder, "the same name"
    assert after.fingerprint != before.fingerprint
    embedded, second = release_with(own.home, after)
    assert embedded == texts
    assert second != first
    stored = vectors_table(own.home).scan().collect()
    assert stored["model"].value_counts().sort("model")["count"].to_list() == [texts, texts]

    with open_release(own.home, first) as old, open_release(own.home, second) as new:
        assert old.search(query, 3) == answer, "the old release holds the old vectors"
        for release, model in ((old, after), (new, before)):
            with pytest.raises(ReleaseError, match="vectors of different models cannot be compared"):
                encoder_for(own.home, release.manifest, model)
        again = encoder_for(own.home, new.manifest, after).queries(["where do I keep my passwords"])
        assert new.search(again[0], 1)[0].document_id == "handbook/security/passwords.md"
        if change == "another prompt for queries":
            assert [hit.chunk_id for hit in new.search(query, 6)] == [hit.chunk_id for hit in old.search(query, 6)]
        else:
            assert [hit.score for hit in new.search(query, 3)] != [hit.score for hit in answer], "the vectors are others"


def test_a_copy_of_a_model_under_another_name_is_the_same_model(own: Settings, tmp_path: Path) -> None:
    moved = copy_of_model(model_of(own).folder, tmp_path / "elsewhere")
    (moved / "README.md").unlink()
    assert model_of(own.model_copy(update={"model": str(moved)})).fingerprint == model_of(own).fingerprint


def test_the_same_model_gives_the_same_vector_whatever_stands_beside_the_text(own: Settings) -> None:
    encoder = model_of(own).load()
    texts = list(PAGES.values())
    together = encoder.documents(texts)
    alone = np.vstack([encoder.documents([text]) for text in texts])
    assert float(np.abs(together - alone).max()) < 1e-5


@pytest.mark.slow
def test_other_weights_under_the_same_name_embed_everything_again_and_the_old_release_answers_on(
    handbook: Workspace, ask: Callable[[str], list[str]]
) -> None:
    folder = copy_of_model(model_of(handbook.settings).folder, handbook.root / "model")
    settings = handbook.settings.model_copy(update={"model": str(folder)})
    first = refresh(settings)
    assert first.success, first.errors
    old = first.assets["index/production"]["release"]
    kept = copy_of_model(model_of(settings).folder, handbook.root / "kept")
    with open_release(handbook.home, old) as release:
        encoder = encoder_for(handbook.home, release.manifest, model_of(settings))
        before = {question: release.search(encoder.queries([question])[0], 3) for question in QUESTIONS}

    change_weights(folder)
    switched: Ran = refresh(settings)
    assert switched.assets["corpus/embeddings"]["embedded"] == len(PAGES)
    assert switched.assets["handbook/documents"]["items_read"] == 0, "the documents are the same"
    new = switched.assets["index/candidate"]["release"]
    assert new != old
    assert switched.assets["index/evaluation"]["compared_with"] == old, "what it answered when it was last measured"
    assert switched.assets["index/production"]["promoted"] is True
    assert serving(handbook.home) == new

    fingerprints = {one.id: one.model.fingerprint for one in all_manifests(handbook.home.releases)}
    assert fingerprints[old] != fingerprints[new]
    with open_release(handbook.home, old) as release:
        with pytest.raises(ReleaseError, match="vectors of different models cannot be compared"):
            encoder_for(handbook.home, release.manifest, model_of(settings))
        encoder = encoder_for(handbook.home, release.manifest, model_of(settings.model_copy(update={"model": str(kept)})))
        assert {question: release.search(encoder.queries([question])[0], 3) for question in QUESTIONS} == before

    shutil.rmtree(folder)
    shutil.move(kept, folder)
    back = refresh(settings)
    assert back.assets["corpus/embeddings"]["embedded"] == 0, "the first weights' vectors are still there"
    assert back.assets["index/production"]["release"] == old
