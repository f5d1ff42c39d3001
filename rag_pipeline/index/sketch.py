"""A short copy of many vectors. It tells which few of them are worth comparing whole, without reading all of them.

Each vector is told by how far it reaches along the axes on which these vectors differ most. What it has beside these axes is
known of those only that were compared whole. So more of them are compared, until hardly one of those that are left out can
be as much better than its sketch as it would have to be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rag_pipeline.corpus.model import Vectors

_AXES = 96
"""384 bytes for each vector."""
_SAMPLE = 4_000
"""Vectors that the axes are found from."""
_ROWS_A_TURN = 1_000
_FIRST = 400
"""How many are compared whole at first, and four for each that is wanted."""
_OF_THOSE_WANTED, _MORE = 4, 2
_MISSED = 0.05
"""More are compared while as many again, all of them just out, would hold more than this share of what is wanted. They are
not all just out: 0 to .6 % are missed, of texts, and of vectors that lie anywhere."""
_PICKED = 4
"""Where one in so many sketches is wanted, picking them is as fast as reading all."""
_DIGITS, _EQUAL = 6, 1e-5

Places = NDArray[np.int64]
Read = Callable[[Places], Vectors]
"""Reads the vectors of some places, all of length 1, shape (places, dimensions)."""
Best = Callable[[Vectors, int, Places], tuple[Places, Vectors]]
"""`Sketch.best`, for one that knows what to read."""


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
        few, wanted = min(depth, len(places)), max(_FIRST, _OF_THOSE_WANTED * depth)
        while True:
            left_out = max(0, len(places) - wanted)
            least = float(np.partition(about, left_out)[left_out]) - _EQUAL  # what is the same is in or out together
            looked = np.flatnonzero(about >= least)
            alike = alone(read(places[looked]), asked)
            last = np.partition(alike, -few)[-few] - 10**-_DIGITS
            beside = alike - about[looked]
            at_most = beside.mean() + beside.std() * NormalDist().inv_cdf(1 - _MISSED * few / len(looked))
            if len(looked) == len(places) or least + at_most < last:
                good = alike >= last
                return looked[good], alike[good]
            wanted *= _MORE

    def _about(self, asked: Vectors, places: Places) -> Vectors:
        short = alone(self._axes, asked)
        if _PICKED * len(places) > len(self._along):
            return alone(self._along, short)[places]
        return alone(self._along[places], short)


def alone(rows: Vectors, vector: Vectors) -> Vectors:
    """`rows @ vector` by this thread: beside other work, the threads of BLAS burn CPU while they wait for each other."""
    found: Vectors = np.einsum("ij,j->i", rows, vector)
    return found
