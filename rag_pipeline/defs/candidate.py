"""`index/candidate`: the release a refresh comes to."""

from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import CANDIDATE, EMBEDDINGS, INDEX_GROUP
from rag_pipeline.defs.present import Materialized, check
from rag_pipeline.defs.reports import manifest_metadata
from rag_pipeline.index.build import build_release
from rag_pipeline.index.candidate import name_candidate
from rag_pipeline.index.recipe import recipe_now
from rag_pipeline.settings import Settings

PROOF = "every_record_is_stored_and_finds_itself"


def candidate_asset(contracts: tuple[Contract, ...], settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=CANDIDATE,
        deps=[EMBEDDINGS],
        group_name=INDEX_GROUP,
        owners=[settings.owner],
        kinds={"chroma"},
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                PROOF,
                asset=CANDIDATE,
                blocking=True,
                description="The closed release holds exactly the ids put in, and a sample is found by its own vector.",
            )
        ],
    )
    def candidate(context: dg.AssetExecutionContext) -> Materialized:
        """An immutable, complete, queryable release beside the one that serves.

        **Grain**: one release. **Origin**: chunks and vectors as stored now. **Re-run**: builds nothing when a kept
        release has the same content, model and parameters already, and names that one.
        """
        now = datetime.now(UTC)
        built = build_release(settings.home, recipe_now(settings, contracts, now), run_id=context.run.run_id, now=now)
        name_candidate(settings.home, built.manifest, run_id=context.run.run_id, now=now)
        context.log.info(f"{'built' if built.new else 'nothing changed, the candidate is'} {built.manifest.id}")
        probe = built.manifest.probe
        return dg.MaterializeResult(
            metadata={"built": built.new, **manifest_metadata(built.manifest)},
            data_version=dg.DataVersion(built.manifest.fingerprint),
            check_results=[
                check(
                    CANDIDATE,
                    PROOF,
                    probe.holds,
                    says=f"{probe.ids_stored} of {probe.ids_expected} ids stored, "
                    f"{probe.self_retrieval_found} of {probe.self_retrieval_asked} found by their own vector",
                )
            ],
        )

    return candidate
