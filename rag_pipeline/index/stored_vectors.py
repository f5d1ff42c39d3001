"""The vectors of a closed collection, read where its graph keeps them: exact search over a few rows needs no copy of all.

A slot of the graph's file is a record: its edges, its vector of length 1, and the number that the collection knows it by.
"""

import pickle
import struct
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.sketch import Best, Sketch
from rag_pipeline.turns import ReadInTurns, in_turns

_GRAPH_FORMAT = 1
_NUMBER_BYTES, _LABEL_BYTES = 4, 8
_AT_ONCE = 20_000
"""Vectors whose sketches are made in a tenth of a second."""


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """The vectors of one collection, in a file that is mapped into memory."""

    _slots: Any
    _begin: int
    _dimensions: int
    _places: dict[str, int]
    _sketched: "_Sketched"

    @classmethod
    def of(cls, segment: Path, dimensions: int) -> "StoredVectors":
        """Those of the folder of a collection's graph. Raises `ReleaseError` when it is of a format not known here."""
        header = (segment / "header.bin").read_bytes()
        version, _, _, count, record, label, begin = struct.unpack_from("<iQQQQQQ", header)
        if version != _GRAPH_FORMAT or label + _LABEL_BYTES > record or begin + dimensions * _NUMBER_BYTES > record:
            raise ReleaseError(f"the graph is of a format this pipeline does not know ({version})")
        slots = np.asarray(np.memmap(segment / "data_level0.bin", dtype=np.uint8, mode="r", shape=(count, record)))
        numbers = np.ascontiguousarray(slots[:, label : label + _LABEL_BYTES]).view(np.uint64).ravel()
        place_of = {int(number): place for place, number in enumerate(in_turns(numbers.tolist()))}
        known = _Plain(ReadInTurns((segment / "index_metadata.pickle").read_bytes())).load()["id_to_label"]
        places = {name: place_of[number] for name, number in in_turns(known.items()) if number in place_of}
        return cls(slots, begin, dimensions, places, _Sketched())

    def places(self, ids: list[str]) -> NDArray[np.int64]:
        """Where each record lies; -1 for one that the graph did not take over yet."""
        return np.array([self._places.get(name, -1) for name in in_turns(ids)], dtype=np.int64)

    def at(self, places: NDArray[np.int64]) -> Vectors:
        """The vectors of some places, float32, shape (places, dimensions)."""
        end = self._begin + self._dimensions * _NUMBER_BYTES
        found: Vectors = self._slots[places, self._begin : end].view(np.float32)
        return found

    def best(self) -> Best | None:
        """How to find the best of many places by their sketches.

        None until these are made: in a thread of their own, from when they are wanted first, and of a few vectors at once.
        """
        with self._sketched.changing:
            if self._sketched.making is None:
                self._sketched.making = threading.Thread(target=self._make, name="sketch", daemon=True)
                self._sketched.making.start()
        if len(self._slots) <= _AT_ONCE:
            self._sketched.making.join()
        made = self._sketched.made
        return partial(made.best, read=self.at) if made else None

    def _make(self) -> None:
        self._sketched.made = Sketch.of(len(self._slots), self.at)


@dataclass(slots=True)
class _Sketched:
    changing: threading.Lock = field(default_factory=threading.Lock)
    making: threading.Thread | None = None
    made: Sketch | None = None


class _Plain(pickle.Unpickler):
    """Reads numbers, texts and containers, and makes nothing else."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise ReleaseError(f"a file of the graph holds what is no plain value ({module}.{name})")
