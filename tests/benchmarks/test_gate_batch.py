"""The benchmark of the gate decides in batches; it must say what the product says."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.gate.agree import agreement, default_policy
from benchmarks.gate.batch import quantiles
from benchmarks.gate.candidates import Pair
from benchmarks.gate.planted import first_right, lost, lower, until
from benchmarks.gate.sets import measured
from rag_pipeline.evaluate import compare

_JUDGED, _MADE, _DOCUMENTS = 80, 40, 60


def _library() -> SimpleNamespace:
    """Lists drawn at random, without an index: judged questions first, then made ones."""
    generator = np.random.default_rng(1)
    lists = np.stack([generator.permutation(_DOCUMENTS)[:30] for _ in range(_JUDGED + _MADE)]).astype(np.int32)
    names = [f"document {number}" for number in range(_DOCUMENTS)]
    qrels = {f"q{row}": {names[lists[row, min(11, int(generator.exponential(2)))]]: 1} for row in range(_JUDGED)}
    made = {f"m{row}": names[lists[_JUDGED + row, 0]] for row in range(_MADE)}
    return SimpleNamespace(
        living=SimpleNamespace(qrels=qrels),
        asked=dict.fromkeys([*qrels, *made], ""),
        names=names,
        judged=_JUDGED,
        made_from=made,
        base=lists,
        right=[{names.index(one) for one in of} for of in qrels.values()] + [{names.index(one)} for one in made.values()],
    )


def test_quantiles_of_a_batch_are_those_of_the_product() -> None:
    sets = np.random.default_rng(2).normal(size=(5, 61))
    for share in (0.05, 0.95):
        product = [compare._quantile(row.tobytes(), share) for row in sets]
        assert np.abs(quantiles(sets, share) - product).max() < 1e-12


def test_a_batch_decides_as_the_product_does_one_by_one(tmp_path: Path) -> None:
    library, generator = _library(), np.random.default_rng(3)
    everything = np.arange(_JUDGED + _MADE)
    bad = lower(lost(library.base, library.right, everything[::9]), library.right, everything[1::7])
    mixed = until(library.base, lost(library.base, library.right, everything), library.right, _JUDGED, 0.02, generator)
    pool, new = np.arange(_JUDGED), frozenset(library.names[:5])
    pairs = [
        Pair("the same", "harmless", library.base, library.base, pool),
        Pair("worse", "loss", bad, library.base, pool, new=new),
        Pair("vanished", "loss", mixed, library.base, pool, dead=frozenset(library.names[5:7])),
    ]
    found = [measured(library, pair) for pair in pairs]  # type: ignore[arg-type]
    assert agreement(found, [10, 60, 150], 12, default_policy(tmp_path)).startswith("12 of 12 ")


def test_a_loss_is_planted_at_its_size() -> None:
    library, generator = _library(), np.random.default_rng(4)
    bad = lost(library.base, library.right, np.arange(_JUDGED + _MADE))
    mixed = until(library.base, bad, library.right, _JUDGED, 0.1, generator)
    found = measured(library, Pair("", "loss", mixed, library.base, np.arange(_JUDGED)))  # type: ignore[arg-type]
    assert -0.1 - 1 / _JUDGED <= found.change <= -0.1
    touched = (mixed != library.base).any(axis=1)
    losing = first_right(library.base, library.right)[:_JUDGED] >= 0
    assert abs(touched[_JUDGED:].mean() - touched[:_JUDGED].sum() / losing.sum()) < 0.2, "made questions lose as many"
