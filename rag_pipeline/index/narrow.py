"""Narrowing: fewer rows than one may read, by source and by values of columns that a contract declares filterable.

It never adds a row: a choice is made among the rows of the scopes that are open, before anything is searched.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rag_pipeline.contracts.labels import PUBLIC
from rag_pipeline.index.lexical import Among
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.scopes import held_of, parts
from rag_pipeline.index.stored_vectors import StoredVectors
from rag_pipeline.lake import collected
from rag_pipeline.turns import in_turns

Value = str | int | float | bool

_MOST_KEPT = 16
"""Choices that are kept, to be asked for again: some megabytes each, where half of 100,000 rows are left."""

_ROWS_A_TURN = 50
"""Rows whose metadata is read in a turn of some .3 ms."""

_NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Narrow:
    """What is asked for: rows of one of these sources (any, if empty), with one of the values in each column."""

    sources: tuple[str, ...] = ()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Column -> its values, each as JSON: true and 1 are not the same."""

    @classmethod
    def of(cls, sources: Iterable[str] = (), columns: Mapping[str, Iterable[Value]] = MappingProxyType({})) -> "Narrow":
        said = ((name, tuple(sorted({_key(value) for value in values}))) for name, values in columns.items())
        return cls(tuple(dict.fromkeys(sources)), tuple(sorted(said)))

    def unknown(self, manifest: Manifest, reads: Iterable[str]) -> Iterator[tuple[str, str]]:
        """What it names that is not there for somebody who was granted these words: where it stands, and what is wrong.

        What is hidden is told as what is nowhere.
        """
        held = held_of(manifest, reads)
        for place, name in enumerate(self.sources):
            if name not in held:
                yield f"/narrow/sources/{place}", "this release has no such source"
        known = {column for name in held if name in manifest.sources for column in manifest.sources[name].filterable}
        for name, _ in self.columns:
            if name not in known:
                yield f"/narrow/columns/{_pointer(name)}", "no contract declares such a column filterable"


@dataclass(frozen=True, slots=True)
class Picked:
    """The rows of one scope that are left."""

    ids: list[str]
    of: int
    """How many the scope has."""
    places: NDArray[np.int64]
    """Where their vectors lie."""
    vectors: StoredVectors | None
    """None where the graph has not taken all of them over."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows of some scopes that are left."""

    rows: Mapping[str, Picked]
    """Scope -> its rows."""
    among: Among
    """All of them."""


@dataclass(frozen=True, slots=True)
class _Rows:
    ids: NDArray[np.object_]
    places: NDArray[np.int64]
    vectors: StoredVectors | None
    sources: Mapping[str, NDArray[np.int64]]
    columns: Mapping[str, Mapping[str, NDArray[np.int64]]]

    def pick(self, narrow: Narrow) -> Picked:
        chosen = [_any(self.sources, narrow.sources)] if narrow.sources else []
        chosen += [_any(self.columns.get(name, {}), values) for name, values in narrow.columns]
        left = reduce(np.intersect1d, chosen) if chosen else np.arange(len(self.ids))
        ids = self.ids[left].tolist()
        places = self.places[left]
        vectors = self.vectors if (places >= 0).all() else None
        return Picked(ids, len(self.ids), places, vectors)


class Catalogue:
    """Which row of an open release has which source and values. Read once, when somebody narrows first."""

    def __init__(
        self, manifest: Manifest, contents: Callable[[], pl.LazyFrame], vectors: Callable[[str], StoredVectors | None]
    ) -> None:
        """`contents`: the rows of the release. `vectors`: scope -> its vectors."""
        self._manifest, self._contents, self._vectors = manifest, contents, vectors
        self._rows: dict[str, _Rows] = {}
        self._chosen: OrderedDict[tuple[Narrow, frozenset[str]], Chosen] = OrderedDict()
        self._reading = threading.Lock()

    def choose(self, narrow: Narrow, scopes: Iterable[str]) -> Chosen:
        """The rows of these scopes that are left. Raises `ReleaseError` when those of the release are gone or damaged."""
        key = (narrow, frozenset(scopes))
        with self._reading:
            if not self._rows:
                self._rows = dict(self._read())
            if key not in self._chosen:
                rows = {name: self._rows[name].pick(narrow) for name in sorted(key[1])}
                self._chosen[key] = Chosen(rows, Among.of(name for one in rows.values() for name in one.ids))
                if len(self._chosen) > _MOST_KEPT:
                    self._chosen.popitem(last=False)
            self._chosen.move_to_end(key)
            return self._chosen[key]

    def _read(self) -> Iterator[tuple[str, _Rows]]:
        filterable = sorted({name for source in self._manifest.sources.values() for name in source.filterable})
        rows = self._contents().select("chunk_id", "source", "metadata" if filterable else pl.lit("{}").alias("metadata"))
        every = rows.pipe(collected).lazy()
        divided = parts(every, self._manifest.scopes) if self._manifest.scopes else [(PUBLIC, every)]
        for scope, lazy in divided:
            part = lazy.pipe(collected)
            ids, vectors = part["chunk_id"].to_list(), self._vectors(scope)
            yield (
                scope,
                _Rows(
                    ids=np.array(ids, dtype=object),
                    places=vectors.places(ids) if vectors else np.full(len(ids), -1),
                    vectors=vectors,
                    sources=_places_of(part["source"]),
                    columns=_columns_of(part["metadata"], filterable),
                ),
            )


def _places_of(values: pl.Series) -> dict[str, NDArray[np.int64]]:
    """Each value, and the rows that have it."""
    rows = pl.DataFrame({"value": values}).with_row_index("place")
    return {
        str(value): np.array(places, dtype=np.int64) for value, places in rows.group_by("value").agg("place").iter_rows()
    }


def _columns_of(texts: pl.Series, names: Sequence[str]) -> dict[str, dict[str, NDArray[np.int64]]]:
    """Column -> value, as JSON -> its rows."""
    found: dict[str, dict[str, list[int]]] = {name: {} for name in names}
    for place, text in enumerate(in_turns(texts if names else (), _ROWS_A_TURN)):
        values = json.loads(text)
        for name, places in found.items():
            places.setdefault(_key(values.get(name)), []).append(place)
    return {
        name: {value: np.array(rows, dtype=np.int64) for value, rows in places.items()} for name, places in found.items()
    }


def _any(rows: Mapping[str, NDArray[np.int64]], values: Iterable[str]) -> NDArray[np.int64]:
    return reduce(np.union1d, (rows[value] for value in set(values) if value in rows), _NOTHING)


def _key(value: object) -> str:
    """One text for what JSON takes for one value: 3 and 3.0; and another for true, 1 and "1"."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value, ensure_ascii=False)


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")[:100]
