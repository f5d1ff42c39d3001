"""Texts that set the scales of an int8 graph, and on which an exported graph is tried (every third of them).

They are the same on every machine, so that a model's fingerprint can name its graph before there is one. They are of many
kinds (prose, code, tables, questions, several languages): a scale has to work for texts that nobody has seen yet.
"""

from functools import cache
from importlib.resources import files

from rag_pipeline.files import fingerprint


@cache
def _texts() -> tuple[str, ...]:
    raw = files(__package__).joinpath("calibration.txt").read_text(encoding="utf-8")
    return tuple(text.strip() for text in raw.split("\n----\n"))


def calibration_texts() -> list[str]:
    """The texts, from a few words to more than the default model reads."""
    return list(_texts())


def calibration_fingerprint() -> str:
    return fingerprint(*_texts())
