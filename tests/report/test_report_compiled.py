"""The compiled template that is kept beside the package's modules: used when it is whole, passed over when it is not."""

import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment
from jinja2.bccache import FileSystemBytecodeCache

from rag_pipeline.report import compiled


def rendered(text: str) -> str:
    environment = Environment(loader=DictLoader({"page": text}), bytecode_cache=compiled.beside_modules(), autoescape=True)
    return environment.get_template("page").render(name="<b>")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(compiled, "cache_from_source", lambda _: str(tmp_path / "compiled.pyc"))
    return tmp_path


def test_it_is_kept_once_and_made_anew_when_the_template_changes(folder: Path) -> None:
    assert rendered("Hello {{ name }}") == rendered("Hello {{ name }}") == "Hello &lt;b&gt;"
    (kept,) = folder.glob("*.j2c")
    before = kept.read_bytes()
    assert rendered("Good day {{ name }}") == "Good day &lt;b&gt;"
    assert kept.read_bytes() != before


def test_one_that_is_cut_off_anywhere_is_passed_over(folder: Path) -> None:
    rendered("Hello {{ name }}")
    (kept,) = folder.glob("*.j2c")
    whole = kept.read_bytes()
    for size in range(0, len(whole), 7):
        kept.write_bytes(whole[:size])
        assert rendered("Hello {{ name }}") == "Hello &lt;b&gt;"


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileSystemBytecodeCache, "dump_bytecode", full)
    assert rendered("Hello {{ name }}") == "Hello &lt;b&gt;"
    assert not list(folder.iterdir())


def test_python_told_to_write_none_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert compiled.beside_modules() is None
