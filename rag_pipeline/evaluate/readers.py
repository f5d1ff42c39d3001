"""Readers that no golden set stands for: a release may answer them badly, and nobody would see it."""

from collections.abc import Iterable

from rag_pipeline.contracts.labels import PUBLIC
from rag_pipeline.golden.read import GoldenSet
from rag_pipeline.index.manifest import Manifest
from rag_pipeline.index.scopes import readable


def unmeasured_scopes(manifest: Manifest, golden_sets: Iterable[GoldenSet]) -> tuple[str, ...]:
    """Scopes, by their labels, that no golden set reads which says in `labels` whom it stands for."""
    measured = {scope for golden in golden_sets if golden.about.labels for scope in readable(manifest, golden.reads)}
    return tuple(", ".join(one.labels) or PUBLIC for name, one in manifest.scopes.items() if name not in measured)
