"""Every text of the library as a template: a string of its code, with `…` where a value is put in."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from rag_pipeline.settings import PROJECT

GAP = "…"


@cache
def templates() -> frozenset[str]:
    """Of all modules; docstrings are not among them."""
    found: set[str] = set()
    for file in (PROJECT / "rag_pipeline").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docstrings = {id(one.value) for node in ast.walk(tree) for one in _body(node) if isinstance(one, ast.Expr)}
        found.update(text for node in ast.walk(tree) if id(node) not in docstrings for text in _texts(node))
    return frozenset(found)


def _body(node: ast.AST) -> list[ast.stmt]:
    body = getattr(node, "body", None)
    return body if isinstance(body, list) else []


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else GAP for one in node.values]
        yield "".join(parts)


def says(message: str) -> bool:
    """Whether the library has a text in which the parts of a message stand in their order."""
    parts = [re.escape(part.strip()) for part in message.split(GAP) if part.strip()]
    wanted = re.compile(".*".join(parts), re.DOTALL)
    return any(wanted.search(template) for template in templates())
