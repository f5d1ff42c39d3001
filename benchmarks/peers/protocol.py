"""What the script of each peer shares: arguments, documents, cuts, counting, and the one line it answers with.

Standard library only, because each peer has an environment of its own. Texts are counted in `SentenceTransformer.encode`,
which every system calls, so that it is the same count for all.
"""

import argparse
import hashlib
import importlib.util
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""One stored row: `id`, `key` (its document), `title`, `team`, `text`, `vector`."""


@dataclass(frozen=True)
class Document:
    """One document of the feed. `team` is metadata: carried along, part of no text."""

    key: str
    title: str
    team: str
    text: str


@dataclass(frozen=True)
class Cuts:
    """Where each text is cut, as this project's chunker said: every system cuts there."""

    tokens: int
    spans: dict[str, list[tuple[int, int]]]

    def pieces(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self.spans[text_hash(text)]]


@dataclass(frozen=True)
class Task:
    """One update: where the state lies, what the feed says, how it is cut and embedded."""

    state: Path
    documents: list[Document]
    cuts: Cuts
    model: Path


class EmbeddingFailed(RuntimeError):
    """What the model raises when it is told to fail."""


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_documents(path: Path) -> list[Document]:
    return [Document(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def read_cuts(path: Path) -> Cuts:
    found = json.loads(path.read_text(encoding="utf-8"))
    spans = {name: [(start, end) for start, end in pairs] for name, pairs in found["spans"].items()}
    return Cuts(found["tokens"], spans)


class Count:
    """Texts a model was given. With `fail_after`, the call that would go beyond it raises instead."""

    def __init__(self, fail_after: int | None) -> None:
        self.texts = 0
        self._fail_after = fail_after

    def watch(self) -> None:
        """Count from when sentence-transformers is imported, if it is: nobody loads it for the count's sake."""
        if imported := sys.modules.get("sentence_transformers"):
            self.watch_in(imported)
        else:
            sys.meta_path.insert(0, _WhenImported(self))

    def watch_in(self, module: Any) -> None:
        module.SentenceTransformer.encode = self.counted(module.SentenceTransformer.encode)

    def counted(self, encode: Callable[..., Any]) -> Callable[..., Any]:
        """`encode` of sentence-transformers, counted."""

        def counted(model: Any, *positional: Any, **named: Any) -> Any:
            texts = positional[0] if positional else named["inputs" if "inputs" in named else "sentences"]
            asked = 1 if isinstance(texts, str) else len(texts)
            if self._fail_after is not None and self.texts + asked > self._fail_after:
                raise EmbeddingFailed(f"the model failed after {self.texts} texts, as the benchmark asked")
            self.texts += asked
            return encode(model, *positional, **named)

        return counted


class _WhenImported(MetaPathFinder):
    def __init__(self, count: Count) -> None:
        self._count = count

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if name != "sentence_transformers":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec and spec.loader
        load = spec.loader.exec_module

        def load_and_watch(module: Any) -> None:
            load(module)
            self._count.watch_in(module)

        spec.loader.exec_module = load_and_watch  # type: ignore[method-assign]
        return spec


def main(
    update: Callable[[Task], Any],
    dump: Callable[[Path], Iterable[Row]] | None = None,
    lose: Callable[[Path, int], list[str]] | None = None,
) -> None:
    """Run one operation. The last line of stdout is the answer; an update that raises exits with 1 and still answers.

    `dump` and `lose` are for stores that the driver has no client for.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("operation", choices=["update", "dump", "lose"])
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--cuts", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--fail-after", type=int)
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--to", type=Path)
    arguments = parser.parse_args()
    if arguments.operation == "dump" and dump:
        with arguments.to.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in dump(arguments.state))
    elif arguments.operation == "lose" and lose:
        _answer(lost=lose(arguments.state, arguments.rows))
    else:
        _update(update, arguments)


def _update(update: Callable[[Task], Any], arguments: argparse.Namespace) -> None:
    started = time.perf_counter()
    count = Count(arguments.fail_after)
    count.watch()
    arguments.state.mkdir(parents=True, exist_ok=True)
    documents, cuts = read_documents(arguments.documents), read_cuts(arguments.cuts)
    told, error = None, ""
    try:
        told = update(Task(arguments.state, documents, cuts, arguments.model))
    except Exception as raised:
        traceback.print_exc()
        error = f"{type(raised).__name__}: {raised}"
    _answer(embedded=count.texts, seconds=time.perf_counter() - started, reported=told, error=error)
    sys.exit(1 if error else 0)


def _answer(**fields: Any) -> None:
    sys.stdout.flush()
    sys.stdout.write("\n" + json.dumps(fields, default=str) + "\n")
    sys.stdout.flush()
