"""Docstrings of the library: sentences rather than fragments, and names of files and modules that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT
from tests.support.code_names import LIBRARY, PACKAGES, exists

FILES = sorted(LIBRARY.rglob("*.py"))
FRAGMENT = re.compile(r"(?:Of|For who|For whom|By which|Within|Lest)\b")


def docstrings(file: Path) -> Iterator[tuple[int, str]]:
    """Every string that is a statement of its own: of modules, classes, functions, fields and constants."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        for one in body if isinstance(body, list) else []:
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                yield one.lineno, one.value.value


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_no_docstring_begins_in_the_middle_of_a_sentence(package: str) -> None:
    files = [file for file in FILES if file.is_relative_to(LIBRARY / package) and (package or file.parent == LIBRARY)]
    found = [
        f"{file.relative_to(PROJECT)}:{line}" for file in files for line, text in docstrings(file) if FRAGMENT.match(text)
    ]
    assert files
    assert not found, f"write a sentence with a subject and a verb: {', '.join(found)}"


def test_files_and_modules_that_docstrings_name_exist() -> None:
    missing = []
    for file in FILES:
        for line, text in docstrings(file):
            for path in re.findall(r"`((?:\w+/)*\w+\.py)`", text):
                near = [file.parent / path, LIBRARY / path, PROJECT / path, PROJECT / "contracts" / path]
                missing += [f"{file.relative_to(PROJECT)}:{line}: {path}"] if not any(map(Path.exists, near)) else []
            for name in re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`", text):
                if not exists(name) and not name.endswith((".yaml", ".json")):
                    missing.append(f"{file.relative_to(PROJECT)}:{line}: {name}")
    assert not missing
