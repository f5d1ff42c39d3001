import importlib.util

import pytest
from pydantic import ValidationError

from rag_pipeline.corpus.encoders import KINDS, kind_of, missing_packages
from rag_pipeline.corpus.model import model_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import Settings


def test_each_way_to_run_the_model_is_another_model_to_the_pipeline() -> None:
    found = [
        model_of(Settings(embed_backend=kind.backend, embed_precision=kind.precision, device=kind.devices[0]))
        for kind in KINDS
    ]
    assert len({model.fingerprint for model in found}) == len(KINDS)


def test_the_default_is_the_model_it_was_before_there_was_a_choice() -> None:
    """Vectors and releases of earlier pipelines stay good: the value is what their manifests hold."""
    settings = Settings()
    assert (settings.embed_backend, settings.embed_precision) == ("torch", "fp32")
    assert model_of(settings).fingerprint == "a20c7b88d0ec1190e80b6c295de9b820"


@pytest.mark.parametrize(
    ("backend", "precision", "device", "says"),
    [
        ("torch", "int8", "cpu", "RAG_EMBED_PRECISION=int8: torch runs fp32, fp16"),
        ("torch", "fp16", "cpu", "RAG_DEVICE=cpu: torch fp16 runs on cuda, mps only"),
        ("onnx", "int8", "cpu", "RAG_EMBED_PRECISION=int8: onnx runs fp32"),
        ("openvino", "int8", "cuda:1", "RAG_DEVICE=cuda:1: openvino int8 runs on cpu only"),
    ],
)
def test_a_way_there_is_not_is_told_with_those_there_are(backend: str, precision: str, device: str, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        kind_of(backend, precision, device)


def test_one_card_of_several_is_a_device_too() -> None:
    assert kind_of("torch", "fp16", "cuda:1").precision == "fp16"


@pytest.mark.parametrize(("field", "value"), [("embed_backend", "tensorrt"), ("embed_precision", "int4")])
def test_a_setting_nobody_knows_is_refused_with_those_that_are_known(field: str, value: str) -> None:
    with pytest.raises(ValidationError, match=r"'torch', 'onnx' or 'openvino'|'int8-weights' or 'int8'"):
        Settings.model_validate({field: value})


def test_packages_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> object:
        return None if name in ("nncf", "openvino") else there(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    kind = kind_of("openvino", "int8", "cpu")
    assert missing_packages(kind) == ["openvino", "nncf"]
    assert missing_packages(kind, export=False) == ["openvino"]
    assert missing_packages(kind_of("torch", "fp32", "cpu")) == []
