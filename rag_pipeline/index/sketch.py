"""A short copy of many vectors. It tells which few of them are worth comparing whole, at a sixth of what reading all takes.

Each vector is told by how far it reaches along the axes on which these vectors differ most. What it has beside these axes is
not known, but for those that were compared whole: so those are compared, and more of them, until what is left out would
have to be better than its sketch by more than any of the compared ones was.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.corpus.model import Vectors

_AXES = 64
"""256 bytes for each vector."""
_SAMPLE = 4_000
"""Vectors that the axes are found from."""
_ROWS_A_TURN = 1_000
_FIRST = 400
"""How many are compared whole at first, and four for each that is wanted."""
_MORE = 4
_DIGITS = 6

Places = NDArray[np.int64]
Read = Callable[[Places], Vectors]
"""Reads the vectors of some places, all of length 1, shape (places, dimensions)."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """The sketches of vectors that are known by their places, from 0 on."""

    _axes: Vectors
    """Shape (axes, dimensions), each of length 1 and across all others."""
    _along: Vectors
    """Shape (vectors, axes)."""

    @classmethod
    def of(cls, count: int, read: Read) -> "Sketch":
        """`count`: of the vectors; at least one."""
        sample = read(np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64)))
        axes = np.ascontiguousarray(np.linalg.eigh(sample.T @ sample)[1][:, -_AXES:].T)
        along = np.empty((count, len(axes)), dtype=np.float32)
        for start in range(0, count, _ROWS_A_TURN):  # the interpreter is let go of in each
            rows = np.arange(start, min(start + _ROWS_A_TURN, count))
            along[rows] = read(rows) @ axes.T
        return cls(axes, along)

    def best(self, asked: Vectors, depth: int, places: Places, read: Read) -> tuple[Places, Vectors]:
        """The best `depth` of some places for one question, all that tie with the last too; each with its cosine.

        `asked`: of length 1, shape (dimensions,). The places come as indexes into `places`, in no order.
        """
        about = self._about(asked, places)
        few, wanted = min(depth, len(places)), max(_FIRST, _MORE * depth)
        while True:
            left_out = len(places) - wanted
            looked = np.argpartition(about, left_out)[left_out:] if left_out > 0 else np.arange(len(places))
            alike = alone(read(places[looked]), asked)
            last = np.partition(alike, -few)[-few] - 10**-_DIGITS
            if left_out <= 0 or about[looked].min() + (alike - about[looked]).max() < last:
                good = alike >= last
                return looked[good], alike[good]
            wanted *= _MORE

    def _about(self, asked: Vectors, places: Places) -> Vectors:
        short = alone(self._axes, asked)
        if _MORE * len(places) > len(self._along):  # reading on is faster than picking
            return alone(self._along, short)[places]
        return alone(self._along[places], short)


def alone(rows: Vectors, vector: Vectors) -> Vectors:
    """`rows @ vector` by this thread: beside other work, the threads of BLAS burn CPU while they wait for each other."""
    found: Vectors = np.einsum("ij,j->i", rows, vector)
    return found
