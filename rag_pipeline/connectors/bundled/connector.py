"""Documents that every machine with Python already has: the language reference, the library, the installed packages.

They make the first run possible without a network. Nothing here imports the modules it describes.
"""

import hashlib
import importlib.metadata
import re
import sys
import sysconfig
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from packaging.metadata import parse_email
from packaging.requirements import Requirement

from rag_pipeline.connectors.bundled.modules import Methods, module_document, public_modules
from rag_pipeline.connectors.bundled.sections import without_sections
from rag_pipeline.connectors.bundled.selection import ALL, Selection
from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.feeds.base import Connector, Item, Known, Row

_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
_DOCS = f"https://docs.python.org/{_MINOR}"

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

    def __init__(self, topics: dict[str, str] | None = None, chosen: Selection = ALL) -> None:
        self._topics = _topics() if topics is None else topics
        self._chosen = chosen

    def items(self, known: Known) -> Iterator[Item]:
        for topic, text in sorted(self._topics.items()):
            if self._chosen.takes(topic):
                yield Item(topic, _digest(text))
        yield from _missing(self._chosen, self._topics)

    def read(self, item: Item) -> Iterator[Row]:
        if item.key not in self._topics:
            raise Unreadable(f"this Python has no topic {item.key}; correct it in the contract's include, or take it out")
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

    def __init__(self, root: Path | None = None, chosen: Selection = ALL, methods: Methods = "whole") -> None:
        self._root = root or Path(sysconfig.get_path("stdlib"))
        if not self._root.is_dir():
            raise SourceUnavailable(f"no standard library sources at {self._root}")
        self._modules = dict(public_modules(self._root))
        self._chosen, self._methods = chosen, methods

    def items(self, known: Known) -> Iterator[Item]:
        for name, path in self._modules.items():
            if self._chosen.takes(name):
                stat = path.stat()
                yield Item(name, f"{_MINOR}:{stat.st_size}:{stat.st_mtime_ns}")
        yield from _missing(self._chosen, self._modules)

    def read(self, item: Item) -> Iterator[Row]:
        path = self._modules.get(item.key)
        if path is None:
            raise Unreadable(f"module {item.key} has no source below {self._root}")
        try:
            text = module_document(item.key, path, self._methods)
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
    """Descriptions of the distributions in this environment (`importlib.metadata`). One document a distribution.

    `required_by`: only those that this distribution needs itself, without its extras. `leave_out`: headings of sections
    that are left out, as patterns.
    """

    reads = 1

    def __init__(
        self,
        path: list[str] | None = None,
        chosen: Selection = ALL,
        required_by: str = "",
        leave_out: tuple[str, ...] = (),
    ) -> None:
        found = importlib.metadata.distributions(path=path) if path else importlib.metadata.distributions()
        self._metadata = {
            _normalised(distribution.name): text
            for distribution in found
            if (text := distribution.read_text("METADATA") or distribution.read_text("PKG-INFO"))
            and distribution.metadata["Name"]  # half-removed distributions have none
        }
        self._chosen, self._leave_out, self._required_by = chosen, leave_out, required_by
        self._required = self._requirements() if required_by else set(self._metadata)

    def items(self, known: Known) -> Iterator[Item]:
        for name in sorted(self._required):
            if self._chosen.takes(name):
                yield Item(name, _digest(self._metadata.get(name, "")))
        yield from _missing(self._chosen, self._required)

    def read(self, item: Item) -> Iterator[Row]:
        if item.key not in self._metadata:
            whose = f"{self._required_by} requires it" if item.key in self._required else "the contract's include names it"
            raise Unreadable(f"{item.key} is not installed here, and {whose}; install it, or correct the contract")
        meta, _ = parse_email(self._metadata[item.key])
        summary = meta.get("summary", "")
        body = without_sections(atx_headings(meta.get("description", "")), self._leave_out)
        yield {
            "name": item.key,
            "title": item.key,
            "text": f"# {item.key}\n\n{summary}\n\n{body}".strip() + "\n",
            "uri": f"https://pypi.org/project/{item.key}/",
            "version": meta.get("version"),
            "license": meta.get("license_expression") or _one_line(meta.get("license")),
        }

    def _requirements(self) -> set[str]:
        """The distributions it requires on this machine: extras, and what markers leave out, do not count."""
        found = self._metadata.get(_normalised(self._required_by))
        if found is None:
            raise SourceUnavailable(
                f"requiredBy: {self._required_by} is not installed in this environment; install it, or correct the contract"
            )
        needs = [Requirement(one) for one in parse_email(found)[0].get("requires_dist", [])]
        return {_normalised(one.name) for one in needs if not one.marker or one.marker.evaluate({"extra": ""})}


def _missing(chosen: Selection, names: Collection[str]) -> Iterator[Item]:
    """An item for each name that is included and not there, so that its row is refused and not passed over."""
    return (Item(name, "missing") for name in chosen.missing(names))


def _topics() -> dict[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:  # some distributions leave pydoc_data out
        raise SourceUnavailable(f"this Python has no pydoc_data.topics ({error})") from error
    return topics


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
