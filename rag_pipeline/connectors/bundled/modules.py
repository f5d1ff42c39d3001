"""Documentation of Python modules, read with `ast` from their sources. Nothing here imports what it describes."""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Methods = Literal["whole", "summaries", "none"]
"""How much of a class's methods its module's document holds: all they say, a line each, or nothing."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | Function


def public_modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of every public module below a standard library."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and parts[0] in sys.stdlib_module_names and _is_public(parts):
            yield ".".join(parts), path


def _is_public(parts: tuple[str, ...]) -> bool:
    hidden = {"test", "tests", "idle_test", "__main__", "site-packages", "__phello__", "__hello__"}
    return not any(part in hidden or part.startswith(("_", "test_")) for part in parts)


def module_document(name: str, path: Path, methods: Methods = "whole") -> str | None:
    """What a module says of itself, as Markdown; None when it says nothing.

    Raises `SyntaxError`, `UnicodeDecodeError` or `ValueError` when its file is not Python.
    """
    tree = ast.parse(path.read_bytes())
    parts = list(_sections(name, path, tree, methods))
    own = (ast.get_docstring(tree) or "").strip()
    if not own and not parts:
        return None
    return "\n\n".join([f"# {name}", *([own] if own else []), *parts]) + "\n"


def _sections(
    name: str, path: Path, tree: ast.Module, methods: Methods, seen: frozenset[Path] = frozenset()
) -> Iterator[str]:
    """One Markdown section for each documented public class, method and function, in the order of the source.

    Of the definitions a module gives one name (an accelerated one and its fallback), the first documented one counts.
    """
    told: set[str] = set()
    for node in _definitions(tree.body):
        if node.name.startswith("_") or node.name in told:
            continue
        sections = list(_definition_sections(name, node, methods))
        if sections:
            told.add(node.name)
        yield from sections
    for module in _private_star_imports(tree):
        other = _source_of(module, path)
        if other and other not in seen:
            yield from _sections(name, other, ast.parse(other.read_bytes()), methods, seen | {path})


def _definition_sections(module: str, node: Definition, methods: Methods) -> Iterator[str]:
    if not isinstance(node, ast.ClassDef):
        yield from _section(2, f"{module}.{node.name}({ast.unparse(node.args)})", node)
        return
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    signature = f"class {module}.{node.name}({bases})" if bases else f"class {module}.{node.name}"
    if methods == "whole":
        yield from _section(2, signature, node)
        for member in _public_methods(node):
            yield from _section(3, f"{node.name}.{member.name}({ast.unparse(member.args)})", member)
        return
    doc = (ast.get_docstring(node) or "").strip()
    told = _public_methods(node) if methods == "summaries" else ()
    lines = [line for member in told if (line := _summary(node.name, member))]
    if doc or lines:
        yield "\n\n".join(part for part in (f"## {signature}", inspect.cleandoc(doc), "\n".join(lines)) if part)


def _public_methods(node: ast.ClassDef) -> Iterator[Function]:
    for member in _definitions(node.body):
        if not isinstance(member, ast.ClassDef) and not member.name.startswith("_"):
            yield member


def _summary(owner: str, node: Function) -> str:
    """A method's signature and the first paragraph of what it says, in one line; "" when it says nothing."""
    first = (ast.get_docstring(node) or "").strip().partition("\n\n")[0]
    return f"- `{owner}.{node.name}({ast.unparse(node.args)})`: {' '.join(first.split())}" if first else ""


def _definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    """Definitions of a body, also those inside `if` and `try`, as the library often writes them."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If):
            yield from _definitions([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            caught = [statement for handler in node.handlers for statement in handler.body]
            yield from _definitions([*node.body, *caught, *node.orelse])


def _section(level: int, signature: str, node: Definition) -> Iterator[str]:
    doc = ast.get_docstring(node)
    if doc and doc.strip():
        yield f"{'#' * level} {signature}\n\n{inspect.cleandoc(doc)}"


def _private_star_imports(tree: ast.Module) -> Iterator[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for node in imports:
        starred = any(alias.name == "*" for alias in node.names)
        if starred and node.module and node.module.split(".")[-1].startswith("_"):
            yield node.module


def _source_of(module: str, importer: Path) -> Path | None:
    """Path of a private module beside or above its importer; None when it is written in C."""
    relative = Path(*module.split("."))
    for folder in (importer.parent, *importer.parents):
        candidate = folder / relative.with_suffix(".py")
        if candidate.is_file():
            return candidate
        if (folder / "os.py").is_file():  # the top of the library
            return None
    return None
