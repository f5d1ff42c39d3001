"""`index/kept_releases`: which releases are kept and why, and the weekly collection of what nobody needs."""

from collections.abc import Sequence

import dagster as dg

from rag_pipeline.alerts.verdicts import last_words
from rag_pipeline.channels.pointer import PRODUCTION
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.keys import CANDIDATE, INDEX_GROUP, KEPT_RELEASES
from rag_pipeline.host.names import placed
from rag_pipeline.host.standard import ROWS, at
from rag_pipeline.host.ui_tables import Materialized, table
from rag_pipeline.release.listing import listed
from rag_pipeline.release.retention import Kept, collect, kept_releases
from rag_pipeline.settings import Settings


class CollectionConfig(dg.Config):
    """`dry_run`: say what would be removed, remove nothing."""

    dry_run: bool = False


def retention_asset(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=KEPT_RELEASES,
        deps=[CANDIDATE],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"chroma"},
        metadata=at(settings.home.releases),
    )
    def collected(config: CollectionConfig) -> Materialized:
        """The releases that can be served or rolled back to; what none of them needs is removed.

        - Grain: one release.
        - Origin: channels, the candidate, RAG_KEEP_RELEASES.
        - Re-run: removes other releases, vectors without a chunk, and old versions of tables; never what a channel
          points at or pointed at before.
        """
        done = collect(
            settings.home,
            keep=settings.keep_releases,
            days=settings.keep_days,
            model=model_of(settings).fingerprint,
            dry_run=config.dry_run,
        )
        return dg.MaterializeResult(
            metadata={
                ROWS: len(done.kept),
                "dry_run": done.dry_run,
                "kept": _kept(settings, done.kept),
                "removed": table(("release", "built"), [(one.id, f"{one.created_at:%Y-%m-%d}") for one in done.removed]),
                "removed_mb": round(done.removed_bytes / 1e6, 1),
                "removed_vectors": done.vectors,
                "removed_table_files": done.table_files,
                "leftovers": table(("directory",), [[name] for name in done.leftovers]),
                "clock": done.clock_doubt or "as expected",
                "summary": done.told,
            }
        )

    return collected


def kept_now(settings: Settings) -> dg.AssetMaterialization:
    """The releases as they are now, for a night on which nothing is removed: so the list is never a week old."""
    kept = [one for one in kept_releases(settings.home, settings.keep_releases) if one.because]
    return dg.AssetMaterialization(
        asset_key=placed(settings, KEPT_RELEASES), metadata={ROWS: len(kept), "kept": _kept(settings, kept)}
    )


def _kept(settings: Settings, kept: Sequence[Kept]) -> dg.TableMetadataValue:
    """The releases that stay: why, how good each is, and who let it serve."""
    known = {one.manifest.id: one for one in listed(settings.home, PRODUCTION, last_words(settings.home, PRODUCTION))}
    rows = [
        (one.manifest.id, ", ".join(one.because), its.verdict, its.figures, its.promoted_by)
        for one in kept
        if (its := known.get(one.manifest.id))
    ]
    return table(("release", "kept because", "verdict", "primary metric", "promoted by"), rows)
