"""The words of a release, for those who may read some of its scopes: one index over exactly these, with statistics of these.

A score of BM25 tells how many texts have a word. So the indexes of several scopes are not asked one by one, and hidden ones
are not counted: the segments of the readable ones are joined to an index, as tantivy joins its own, without copying them.
"""

import json
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rag_pipeline.contracts.labels import PUBLIC
from rag_pipeline.home import LEXICAL_FOLDER, Home
from rag_pipeline.index import lexical
from rag_pipeline.index.lexical import LexicalIndex
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.views import intact_view

_META = "meta.json"
"""tantivy's list of an index's segments."""

_MOST_JOINED = 64
"""Sets of scopes that are kept joined; the one that was not asked for longest goes."""


def word_folders(folder: Path, scopes: Collection[str]) -> dict[str, Path]:
    """Scope -> where its lexical index lies in the lexical folder of a release: that itself where nothing is divided."""
    return {name: folder / name for name in scopes} or {PUBLIC: folder}


class Words:
    """The lexical indexes of one release, open for reading. Any number of threads may ask."""

    def __init__(self, folders: Mapping[str, Path], language: str, stack: ExitStack, workshop: Path) -> None:
        """`workshop`: a folder, below a view, for the joined indexes. `stack`: closes what is opened."""
        self._folders, self._language, self._workshop = folders, language, workshop
        self._joined: OrderedDict[frozenset[str], tuple[LexicalIndex, ExitStack]] = OrderedDict()
        self._changing = threading.Lock()
        self._made = 0
        stack.callback(self._close)

    def of(self, scopes: frozenset[str]) -> LexicalIndex:
        """One index over these scopes, at least one."""
        with self._changing:
            if scopes not in self._joined:
                stack = ExitStack()
                self._joined[scopes] = (stack.enter_context(self._opened(sorted(scopes), stack)), stack)
                if len(self._joined) > _MOST_JOINED:
                    self._joined.popitem(last=False)[1][1].close()
            self._joined.move_to_end(scopes)
            return self._joined[scopes][0]

    @contextmanager
    def _opened(self, scopes: list[str], stack: ExitStack) -> Iterator[LexicalIndex]:
        folders = [self._folders[name] for name in scopes]
        if len(folders) == 1:
            folder = folders[0]
        else:
            self._made += 1
            folder = self._workshop / f"joined-{self._made}"
            stack.callback(shutil.rmtree, folder, ignore_errors=True)  # what is open stays readable
            _join(folders, folder)
        with lexical.opened(folder, self._language) as index:
            yield index

    def _close(self) -> None:
        with self._changing:
            for _, stack in self._joined.values():
                stack.close()
            self._joined.clear()


@contextmanager
def open_words(home: Home, manifest: Manifest) -> Iterator[Words]:
    """The words of a release, through a view of its own. Raises as `intact_view` and `lexical.opened` do."""
    with intact_view(home, manifest, LEXICAL_FOLDER) as view, ExitStack() as stack:
        words = Words(word_folders(view, manifest.scopes), manifest.lexical.language, stack, view)
        words.of(frozenset(manifest.scopes) or frozenset({PUBLIC}))
        yield words


def _join(folders: list[Path], target: Path) -> None:
    """An index at `target` of all segments of closed ones that were made alike."""
    target.mkdir()
    metas = [json.loads((folder / _META).read_text(encoding="utf-8")) for folder in folders]
    for folder, meta in zip(folders, metas, strict=True):
        files = {segment["segment_id"].replace("-", "") for segment in meta["segments"]}
        for path in folder.iterdir():
            if path.name.split(".")[0] in files:
                os.link(path, target / path.name)
    joined = metas[0] | {"segments": [segment for meta in metas for segment in meta["segments"]]}
    (target / _META).write_text(json.dumps(joined), encoding="utf-8")
