"""Packages of the library, and the names that a module defines."""

import ast
from functools import cache
from pathlib import Path

from rag_pipeline.settings import PROJECT

PACKAGES = sorted(path.parent.name for path in (PROJECT / "rag_pipeline").glob("*/__init__.py"))


@cache
def names_in(file: Path) -> set[str]:
    """What a module defines at its top level."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


LIBRARY = PROJECT / "rag_pipeline"


def exists(name: str) -> bool:
    if name.endswith("/"):
        return (LIBRARY / name).is_dir()
    if name.endswith(".py"):
        return (LIBRARY / name).is_file() or (PROJECT / name).is_file()
    *modules, last = name.split(".")
    inside = LIBRARY.joinpath(*modules)
    if (inside / f"{last}.py").is_file() or (inside / last).is_dir():
        return True
    module = inside / "__init__.py" if inside.is_dir() else inside.with_suffix(".py")
    return module.is_file() and last in names_in(module)
