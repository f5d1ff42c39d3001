"""`index/candidate`: the release a refresh comes to."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.keys import CANDIDATE, EMBEDDINGS, INDEX_GROUP
from rag_pipeline.defs.present import Materialized, check, table
from rag_pipeline.defs.reports import manifest_metadata
from rag_pipeline.evaluate.choose import build_as_golden_sets_say
from rag_pipeline.evaluate.golden import readable_golden_sets
from rag_pipeline.index.build import build_release, rebuild_release
from rag_pipeline.index.candidate import name_candidate
from rag_pipeline.index.manifest import Manifest, Probe, read_manifest
from rag_pipeline.index.recipe import recipe_now
from rag_pipeline.release.health import damage_in_use
from rag_pipeline.settings import Settings

PROOF = "every_record_is_stored_and_finds_itself"
INTACT = "releases_in_use_are_intact"


class CandidateConfig(dg.Config):
    """`repair`: id of a damaged release to build again from its own chunks, instead of what is stored now."""

    repair: str = ""


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
            ),
            dg.AssetCheckSpec(
                INTACT,
                asset=CANDIDATE,
                description="What the channels point at is, to the byte, what was built, evaluated and promoted.",
            ),
        ],
    )
    def candidate(context: dg.AssetExecutionContext, config: CandidateConfig) -> Materialized:
        """An immutable, complete, queryable release beside the one that serves.

        **Grain**: one release. **Origin**: chunks and vectors as stored now. **Re-run**: builds nothing when a kept
        release has the same content, model and parameters already, and names that one; one that is damaged is built again.
        """
        now = datetime.now(UTC)
        if config.repair:
            damaged = read_manifest(settings.home / "releases" / config.repair)
            built = rebuild_release(settings.home, damaged, run_id=context.run.run_id, now=now)
        else:
            recipe, run_id = recipe_now(settings, contracts, now), context.run.run_id
            if settings.retrieval == "auto":
                golden = readable_golden_sets(settings.evals)
                built = build_as_golden_sets_say(settings.home, recipe, golden, model_of(settings), run_id=run_id, now=now)
            else:
                built = build_release(settings.home, recipe, run_id=run_id, now=now)
        name_candidate(settings.home, built.manifest, run_id=context.run.run_id, now=now)
        context.log.info(f"{'built' if built.new else 'nothing changed, the candidate is'} {built.manifest.id}")
        return dg.MaterializeResult(
            metadata={"built": built.new, **manifest_metadata(built.manifest)},
            data_version=dg.DataVersion(built.manifest.fingerprint),
            check_results=[_proof(built.manifest.probe), _intact(settings.home, built.manifest)],
        )

    return candidate


def _proof(probe: Probe) -> dg.AssetCheckResult:
    return check(
        CANDIDATE,
        PROOF,
        probe.holds,
        says=f"{probe.ids_stored} of {probe.ids_expected} ids stored, "
        f"{probe.self_retrieval_found} of {probe.self_retrieval_asked} found by their own vector",
        **{name: value for name, value in probe.model_dump().items() if value is not None},
    )


def _intact(home: Path, candidate: Manifest) -> dg.AssetCheckResult:
    """Names the damage, and what mends it: the candidate, if its content is the same, or a command."""
    damaged = damage_in_use(home)
    mends = [
        f"{candidate.id} is an intact twin"
        if one.fingerprint == candidate.fingerprint
        else f"`rag verify {one.release} --repair`"
        for one in damaged
    ]
    says = [
        f"{one.channel} points at {one.release}, which is damaged ({', '.join(one.what)}); {mend}"
        for one, mend in zip(damaged, mends, strict=True)
    ]
    rows = [(one.channel, one.release, name) for one in damaged for name in one.what]
    return check(
        CANDIDATE,
        INTACT,
        not damaged,
        says="; ".join(says),
        damage=table(("channel", "release", "what"), rows, empty="none"),
    )
