"""What tests share lies in `tests/support`, and its page names every module of it."""

import ast
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT

TESTS = PROJECT / "tests"
PAGE = (TESTS / "support/README.md").read_text(encoding="utf-8")


def imported(file: Path) -> set[str]:
    """Modules that a file imports, and the names it takes from packages."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update((node.module, *(f"{node.module}.{one.name}" for one in node.names)))
    return found


def test_no_file_imports_a_module_of_tests() -> None:
    files = list(TESTS.rglob("*.py"))
    assert len(files) > 300
    taken = {
        file.relative_to(PROJECT).as_posix(): sorted(
            name for name in imported(file) if name.startswith("tests.") and ".test_" in name
        )
        for file in files
    }
    assert not {name: what for name, what in taken.items() if what}, "move what they share to tests/support"


@pytest.mark.parametrize("module", sorted(path.name for path in (TESTS / "support").glob("[a-z]*.py")))
def test_the_page_says_what_each_module_is_for(module: str) -> None:
    assert f"`{module}`" in PAGE
