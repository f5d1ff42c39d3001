"""Documents that every machine with Python already has: the language reference, the library, the installed packages.

They make the first run possible without a network. Nothing here imports the modules it describes.
"""

import ast
import hashlib
import importlib.metadata
import inspect
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from packaging.metadata import parse_email

from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.feeds.base import Connector, Item, Known, Row

_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
_DOCS = f"https://docs.python.org/{_MINOR}"

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

_UNDERLINES = {"*": "#", "=": "##", "-": "###", "~": "####"}


def atx_headings(text: str) -> str:
    """Turn headings underlined with `***`, `===`, `---` or `~~~` (reStructuredText) into Markdown `#` headings."""

    def heading(match: re.Match[str]) -> str:
        title, underline = match["title"], match["line"]
        if len(underline) < max(3, len(title) - 2):
            return match[0]
        return f"{_UNDERLINES[underline[0]]} {title.strip()}\n"

    return re.sub(r"(?m)^(?P<title>\S.*)\n(?P<line>([*=~-])\3{2,})[ \t]*$\n?", heading, text)


class PythonLanguage(Connector):
    """The language reference that ships inside CPython (`pydoc_data.topics`). One document a topic."""

    reads = 1

    def __init__(self, topics: dict[str, str] | None = None) -> None:
        self._topics = _topics() if topics is None else topics

    def items(self, known: Known) -> Iterator[Item]:
        for topic, text in sorted(self._topics.items()):
            yield Item(topic, _digest(text))

    def read(self, item: Item) -> Iterator[Row]:
        text = atx_headings(self._topics[item.key]).strip() + "\n"
        yield {
            "topic": item.key,
            "title": _first_heading(text) or item.key,
            "text": text,
            "uri": f"{_DOCS}/reference/",
            "python_version": _MINOR,
        }


class PythonLibrary(Connector):
    """Documentation of the standard library, read with `ast` from the installed sources. One document a module.

    Left out by rule: a module with a private part in its dotted name, one that is or lies in a test folder, and
    one whose document would hold no documentation. A private module whose names a public one re-exports with
    `from … import *` (as `decimal` does with `_pydecimal`) is read as part of the public one.
    """

    reads = 2

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path(sysconfig.get_path("stdlib"))
        if not self._root.is_dir():
            raise SourceUnavailable(f"no standard library sources at {self._root}")
        self._modules = dict(_public_modules(self._root))

    def items(self, known: Known) -> Iterator[Item]:
        for name, path in self._modules.items():
            stat = path.stat()
            yield Item(name, f"{_MINOR}:{stat.st_size}:{stat.st_mtime_ns}")

    def read(self, item: Item) -> Iterator[Row]:
        path = self._modules.get(item.key)
        if path is None:
            raise Unreadable(f"module {item.key} has no source below {self._root}")
        try:
            text = _module_document(item.key, path)
        except (SyntaxError, UnicodeDecodeError, ValueError) as error:
            raise Unreadable(f"{path.name}: not readable as Python source ({type(error).__name__})") from error
        if text is None:
            return
        yield {
            "module": item.key,
            "title": item.key,
            "text": text,
            "uri": f"{_DOCS}/library/{item.key.split('.')[0]}.html",
            "package": item.key.split(".")[0],
            "python_version": _MINOR,
            "modified_at": datetime.fromtimestamp(path.stat().st_mtime, UTC),
        }


class InstalledPackages(Connector):
    """Descriptions of the distributions in this environment (`importlib.metadata`). One document a distribution."""

    reads = 1

    def __init__(self, path: list[str] | None = None) -> None:
        found = importlib.metadata.distributions(path=path) if path else importlib.metadata.distributions()
        self._metadata = {
            _normalised(distribution.name): text
            for distribution in found
            if (text := distribution.read_text("METADATA") or distribution.read_text("PKG-INFO"))
            and distribution.metadata["Name"]  # half-removed distributions have none
        }

    def items(self, known: Known) -> Iterator[Item]:
        for name, text in sorted(self._metadata.items()):
            yield Item(name, _digest(text))

    def read(self, item: Item) -> Iterator[Row]:
        meta, _ = parse_email(self._metadata[item.key])
        summary, body = meta.get("summary", ""), atx_headings(meta.get("description", ""))
        yield {
            "name": item.key,
            "title": item.key,
            "text": f"# {item.key}\n\n{summary}\n\n{body}".strip() + "\n",
            "uri": f"https://pypi.org/project/{item.key}/",
            "version": meta.get("version"),
            "license": meta.get("license_expression") or _one_line(meta.get("license")),
        }


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:  # some distributions leave pydoc_data out
        raise SourceUnavailable(f"this Python has no pydoc_data.topics ({error})") from error
    return topics


def _public_modules(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if parts and parts[0] in sys.stdlib_module_names and _is_public(parts):
            yield ".".join(parts), path


def _is_public(parts: tuple[str, ...]) -> bool:
    hidden = {"test", "tests", "idle_test", "__main__", "site-packages", "__phello__", "__hello__"}
    return not any(part in hidden or part.startswith(("_", "test_")) for part in parts)


def _module_document(name: str, path: Path) -> str | None:
    parts = list(_sections(name, path))
    tree_doc = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    if not tree_doc.strip() and not parts:
        return None
    return "\n\n".join([f"# {name}", *([tree_doc.strip()] if tree_doc.strip() else []), *parts]) + "\n"


def _sections(name: str, path: Path, seen: frozenset[Path] = frozenset()) -> Iterator[str]:
    """One Markdown section for each documented public class, method and function, in the order of the source.

    Of the definitions a module gives one name (an accelerated one and its fallback), the first documented one counts.
    """
    tree = ast.parse(path.read_bytes())
    told: set[str] = set()
    for node in _definitions(tree.body):
        if node.name.startswith("_") or node.name in told:
            continue
        sections = list(_definition_sections(name, node))
        if sections:
            told.add(node.name)
        yield from sections
    for module in _private_star_imports(tree):
        other = _source_of(module, path)
        if other and other not in seen:
            yield from _sections(name, other, seen | {path})


def _definition_sections(module: str, node: Definition) -> Iterator[str]:
    if not isinstance(node, ast.ClassDef):
        yield from _section(2, f"{module}.{node.name}({ast.unparse(node.args)})", node)
        return
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield from _section(2, f"class {module}.{node.name}({bases})" if bases else f"class {module}.{node.name}", node)
    for member in _definitions(node.body):
        if not isinstance(member, ast.ClassDef) and not member.name.startswith("_"):
            yield from _section(3, f"{node.name}.{member.name}({ast.unparse(member.args)})", member)


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


def _first_heading(text: str) -> str | None:
    match = re.search(r"(?m)^#+ (.+)$", text)
    return match[1].strip() if match else None


def _normalised(name: str) -> str:
    """PEP 503 name, so that a document's key does not depend on how its author spelt it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _one_line(value: str | None) -> str | None:
    return value.strip().splitlines()[0][:120] if value and value.strip() else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


BUNDLED: dict[str, Callable[[], PythonLanguage | PythonLibrary | InstalledPackages]] = {
    "python_language": PythonLanguage,
    "python_library": PythonLibrary,
    "installed_packages": InstalledPackages,
}
