"""A gate.yaml, written as people write it."""

from pathlib import Path

HEAD = "channels:\n  production:\n    golden_sets:\n      docs:\n"
"""The four lines above the demands on one golden set."""


def write(folder: Path, text: str) -> Path:
    (folder / "gate.yaml").write_text(text, encoding="utf-8")
    return folder
