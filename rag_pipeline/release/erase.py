"""A person asks for erasure: what has to happen so that nothing of a document is left, and what still holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import all_manifests
from rag_pipeline.ingest.erase import erased, note_erased, note_left
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.mirrored import seen
from rag_pipeline.release.forget import forget
from rag_pipeline.release.tries import sweep_tries


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was noted down and what is left to do."""

    noted: tuple[str, ...]
    """Documents; the next release is built whole, and holds nothing of those that are not stored by then."""
    still_stored: tuple[str, ...]
    """Those among them that their source holds: they stay in every release until they are taken out there."""


def erase(home: Home, documents: Sequence[str], *, run_id: str, now: datetime) -> Erasure:
    """Note that nothing of some documents may be left, and remove what evidence and reports quote of them.

    Raises `PipelineError`, before anything is noted, when an id names no source that was ever loaded.
    """
    sources = {document: document.partition("/")[0] for document in documents}
    for document, source in sources.items():
        seen(home.lake)
        if not document.partition("/")[2] or not (home.documents / source).is_dir():
            known = sorted(path.name for path in home.documents.glob("*"))
            raise PipelineError(
                f"{document!r} is not the id of a document: that is <source>/<key>, as `rag query --json` gives it; "
                f"known sources: {', '.join(known) or 'none yet'}"
            )
    still: list[str] = []
    for source in sorted(set(sources.values())):
        tables, mine = source_tables(home, source), [one for one, its in sources.items() if its == source]
        with home.exclusive_source(source, wait_s=600):
            for document in mine:
                if note_erased(tables, [document], "asked", run_id=run_id, now=now):
                    still.append(document)
                else:
                    note_left(tables, "asked", run_id=run_id, now=now)
    forget(home, documents)
    sweep_tries(home, dry_run=False)  # what a killed one left holds texts; one that is at work removes its own when it ends
    return Erasure(tuple(documents), tuple(still))


def may_hold_erased(home: Home) -> tuple[str, ...]:
    """Kept releases, newest first, that were built before the last erasure."""
    notes = erased(home).notes
    return tuple(manifest.id for manifest in all_manifests(home.releases) if manifest.origin.erased < notes)
