"""Choosing the release to build upon: the one that differs least, unless building whole is the better way."""

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index.manifest import IndexParameters, Manifest, ModelEntry, all_manifests, chroma_version, damaged_files
from rag_pipeline.index.release_chunks import contents, difference
from rag_pipeline.ingest.erase import Erased
from rag_pipeline.lake import collected

_DEAD_SHARE = 0.2
"""Deleted slots of the graph are never used again; after 50 % deletes live records could not be reached any more."""

ERASED = "documents were erased since (retention, or `rag erase`), and deleted records would keep their vectors and words"

_NEW_SHARE = 0.5
"""Adding more than this to a copy costs as much as building whole."""


@dataclass(frozen=True, slots=True)
class Base:
    """A release to copy, and the difference to it; or none, and why not."""

    manifest: Manifest | None = None
    removed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    why_not: str = ""


NOTHING_ERASED = Erased()


def choose_base(
    releases: Path, model: ModelEntry, index: IndexParameters, wanted: pl.LazyFrame, gone_for_good: Erased = NOTHING_ERASED
) -> Base:
    """The intact release of this model and these parameters that differs least from the wanted chunks.

    Deleted records keep their vector in the graph, and their words in the lexical index: where something was erased since,
    or would be removed now, nothing is built upon.
    """
    kept = all_manifests(releases)
    if not kept:
        return Base(why_not="it is the first release")
    same = (model.fingerprint, index, chroma_version())
    alike = [one for one in kept if (one.model.fingerprint, one.index, one.chroma_version) == same and not one.scopes]
    if not alike:
        return Base(why_not="no kept release has this model, these parameters and this version of Chroma")
    if not any(one.origin.erased == gone_for_good.notes for one in alike):
        return Base(why_not=ERASED)
    alike = [one for one in alike if one.origin.erased == gone_for_good.notes]
    total = int(wanted.select(pl.len()).pipe(collected).item())
    near: list[tuple[int, int, Manifest]] = []
    for manifest in alike:
        try:
            removed, added = difference(contents(releases / manifest.id, manifest), wanted)
        except ReleaseError:
            continue  # its chunks were not kept, or cannot be read
        near.append((len(removed), len(added), manifest))  # and not the ids: of a release far off they are many
    reasons = []
    for gone, new, manifest in sorted(near, key=lambda one: one[0] + one[1]):
        why_not = _too_far(manifest, gone, new, total)
        if why_not:
            reasons.append(why_not)
        elif not damaged_files(releases / manifest.id, manifest):
            before = contents(releases / manifest.id, manifest)
            removed, added = difference(before, wanted)
            if gone_for_good.notes and _any_erased(before, removed, gone_for_good):
                return Base(why_not=ERASED)
            return Base(manifest, removed.to_list(), added.to_list())
    return Base(why_not=reasons[0] if reasons else "every kept release like it is damaged, or lacks its chunks")


def holds_no_trace(manifest: Manifest, gone_for_good: Erased) -> bool:
    """Whether a release holds what its rows say and, in dead slots, at most what was not erased."""
    return not manifest.origin.dead_slots or manifest.origin.erased == gone_for_good.notes


def _any_erased(before: pl.LazyFrame, removed: pl.Series, gone_for_good: Erased) -> bool:
    """Whether a chunk of an erased version is among the removed: it was built in after the version was noted down."""
    hashes = before.filter(pl.col("chunk_id").is_in(removed.implode())).select("document_hash").unique().pipe(collected)
    return any(one in gone_for_good.contents for one in hashes["document_hash"])


def _too_far(manifest: Manifest, gone: int, new: int, total: int) -> str:
    """Why building upon a release is not worth it; empty when it is."""
    dead = manifest.origin.dead_slots + gone
    if dead > _DEAD_SHARE * (total + dead):
        return f"{100 * dead / (total + dead):.0f} % of the slots of {manifest.id} would be dead"
    if new > _NEW_SHARE * total:
        return f"{100 * new / total:.0f} % of its chunks are new to {manifest.id}"
    return ""
