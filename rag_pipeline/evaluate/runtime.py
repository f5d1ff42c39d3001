"""What an evaluation ran on: versions of everything that embeds, retrieves and scores, which no fingerprint covers."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ALWAYS = (
    "torch",
    "sentence-transformers",
    "transformers",
    "tokenizers",
    "numpy",
    "chromadb",
    "tantivy",
    "ir-measures",
    "pytrec-eval-terrier",
)
_OF_BACKEND = {"onnx": ("onnxruntime",), "openvino": ("openvino",)}


@cache
def runtime_of(backend: str) -> dict[str, str]:
    """Package -> version, of those that are installed; `python` is one. After an upgrade everything is measured again."""
    found = {"python": platform.python_version()}
    for name in (*_ALWAYS, *_OF_BACKEND.get(backend, ())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or 'unknown'} ({platform.machine()})"
