import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rag_pipeline.corpus.model import Model, model_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import Settings
from tests.support.small_releases import real_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder: the real one's small files, and weights of a few bytes."""
    target = tmp_path / "model"
    shutil.copytree(real_model().folder, target, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "__pycache__"))
    (target / "model.safetensors").write_bytes(b"weights" * 10)
    (target / "README.md").write_text("# A model\n", encoding="utf-8")
    return target


def model(folder: Path) -> Model:
    """A fresh one each time, since a fingerprint is computed once."""
    return Model(folder=folder, query_prompt="", document_prompt="", device="cpu", batch=8)


def edit_json(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}), encoding="utf-8")


CHANGES: dict[str, Callable[[Path], object]] = {
    "weights": lambda folder: (folder / "model.safetensors").write_bytes(b"weights" * 9 + b"weightz"),
    "tokenizer": lambda folder: edit_json(folder / "tokenizer.json", version="2.0"),
    "pooling": lambda folder: edit_json(folder / "1_Pooling" / "config.json", pooling_mode_cls_token=True),
    "sequence length": lambda folder: edit_json(folder / "sentence_bert_config.json", max_seq_length=128),
    "modules (normalisation)": lambda folder: (folder / "modules.json").write_text("[]", encoding="utf-8"),
    "a new file": lambda folder: (folder / "adapter.safetensors").write_bytes(b"more"),
    "a file that went": lambda folder: (folder / "sentence_bert_config.json").unlink(),
    "a renamed file": lambda folder: (folder / "model.safetensors").rename(folder / "other.safetensors"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_silently_changed_model_is_another_model(folder: Path, what: str) -> None:
    before = model(folder).fingerprint
    CHANGES[what](folder)
    assert model(folder).fingerprint != before


def test_prompts_are_part_of_the_model(folder: Path) -> None:
    plain = model(folder)
    fingerprints = {
        plain.fingerprint,
        replace(plain, query_prompt="query: ").fingerprint,
        replace(plain, document_prompt="query: ").fingerprint,
    }
    assert len(fingerprints) == 3


def test_documentation_place_device_and_batch_size_are_no_part_of_the_model(folder: Path, tmp_path: Path) -> None:
    before = model(folder).fingerprint
    (folder / "README.md").write_text("# Another text\n", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"png")
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert model(Path(moved)).fingerprint == before
    assert replace(model(Path(moved)), device="cuda", batch=64).fingerprint == before


def test_what_the_model_reads_and_how_long_its_vectors_are_come_from_its_own_files(folder: Path) -> None:
    assert (real_model().max_tokens, real_model().dimensions) == (256, 384)
    edit_json(folder / "sentence_bert_config.json", max_seq_length=128)
    edit_json(folder / "1_Pooling" / "config.json", word_embedding_dimension=12)
    assert (model(folder).max_tokens, model(folder).dimensions) == (128, 12)
    shutil.rmtree(folder / "1_Pooling")
    assert model(folder).dimensions == 384
    (folder / "config.json").unlink()
    with pytest.raises(PipelineError, match="how long a vector is"):
        _ = model(folder).dimensions


def test_the_tokenizer_counts_a_text_to_its_end(folder: Path) -> None:
    assert len(model(folder).tokenizer().encode("word " * 5000, add_special_tokens=False).ids) == 5000
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PipelineError, match=r"no tokenizer\.json; save the model with a fast tokenizer"):
        model(folder).tokenizer()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("package:no_such_package", "no installed package 'no_such_package' with a MODEL_DIR"),
        ("package:json", "no installed package 'json' with a MODEL_DIR"),
        ("nobody/no-such-model", "neither a folder nor a model in the local cache"),
        ("/no/such/folder", "neither a folder nor a model in the local cache"),
    ],
)
def test_a_model_that_is_not_here_is_named_and_no_network_is_asked(
    name: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    with pytest.raises(PipelineError, match=says) as caught:
        model_of(Settings(model=name))
    assert f"RAG_MODEL={name}" in str(caught.value)


def test_a_folder_is_a_model(folder: Path) -> None:
    assert model_of(Settings(model=str(folder))).fingerprint == model(folder).fingerprint


def test_a_text_gives_the_same_vector_alone_and_among_texts_of_every_length() -> None:
    """Batches are cut by length, so one is of many short texts and another of few long ones: each vector finds its text."""
    texts = [("word " * length).strip() for length in (1, 300, 2, 40, 3, 150, 5, 90)] * 3 + [
        f"question {n}?" for n in range(40)
    ]
    encoder = real_model().load()
    together = encoder.documents(texts)
    alone = [encoder.documents([text])[0] for text in texts]
    assert together.shape == (len(texts), 384)
    for one, other in zip(together, alone, strict=True):
        assert float(one @ other) > 0.99999
