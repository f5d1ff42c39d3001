"""`index/candidate`: the release that a refresh arrives at, and the code that builds it."""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.channels.health import damage_in_use, readable_channels
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.keys import CANDIDATE, EMBEDDINGS, INDEX_GROUP
from rag_pipeline.defs.reports import manifest_metadata
from rag_pipeline.evaluate.choose import Chooser
from rag_pipeline.golden.read import readable_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.host.standard import at
from rag_pipeline.host.ui_tables import Materialized, check, table
from rag_pipeline.index.build import Built, build_release, discard_release, rebuild_release
from rag_pipeline.index.candidate import name_candidate
from rag_pipeline.index.manifest import Manifest, Probe, read_manifest
from rag_pipeline.index.recipe import recipe_now
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
        metadata=at(settings.home.releases),
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
                description="Each release that a channel points at is, to the byte, what was built, evaluated and promoted.",
            ),
        ],
    )
    def candidate(context: dg.AssetExecutionContext, config: CandidateConfig) -> Materialized:
        """An immutable, complete, queryable release beside the one that serves.

        - Grain: one release.
        - Origin: chunks and vectors as stored now.
        - Re-run: builds nothing when a kept release has the same content, model and parameters already, and names that
          one; one that is damaged is built again.
        """
        run_id, now = context.run.run_id, datetime.now(UTC)
        if config.repair:
            damaged = read_manifest(settings.home.release(config.repair))
            built = rebuild_release(settings.home, damaged, run_id=run_id, now=now)
        else:
            built = _build(settings, contracts, run_id, now)
        name_candidate(settings.home, built.manifest, run_id=run_id, now=now)
        context.log.info(f"{'built' if built.new else 'nothing changed, the candidate is'} {built.manifest.id}")
        return dg.MaterializeResult(
            metadata={"built": built.new, **manifest_metadata(settings.home, built.manifest)},
            data_version=dg.DataVersion(built.manifest.fingerprint),
            check_results=[_proof(built.manifest.probe), _intact(settings.home, built.manifest)],
        )

    return candidate


def _build(settings: Settings, contracts: tuple[Contract, ...], run_id: str, now: datetime) -> Built:
    recipe = recipe_now(settings, contracts, now)
    if settings.retrieval != "auto":
        return build_release(settings.home, recipe, run_id=run_id, now=now)
    chooser = Chooser(settings.home, recipe, readable_golden_sets(settings.evals), model_of(settings))
    return build_as_chosen(chooser, run_id=run_id, now=now)


def build_as_chosen(chooser: Chooser, *, run_id: str, now: datetime) -> Built:
    """Build the release of a recipe, retrieving as its golden sets find best. Raises as `build_release` does.

    Where no earlier choice stands, one release is built to be measured; if another way wins, a second is built by it, by
    difference with nothing to add or remove, and the first is removed again.
    """
    home, recipe = chooser.home, chooser.recipe
    if standing := chooser.standing():
        return build_release(home, replace(recipe, retrieval=standing), run_id=run_id, now=now)
    first = build_release(home, recipe, run_id=run_id, now=now)
    best = chooser.best_retrieval(first.manifest)
    if best is None:
        return first
    chosen = replace(recipe, retrieval=best.retrieval)
    built = first if chosen == recipe else build_release(home, chosen, run_id=run_id, now=now)
    chooser.keep(best, built.manifest, now)
    if first.new and first.manifest.id != built.manifest.id:
        discard_release(home, first.manifest)  # it was built to be measured; nothing points at it
    return built


def _proof(probe: Probe) -> dg.AssetCheckResult:
    return check(
        CANDIDATE,
        PROOF,
        probe.holds,
        says=f"{probe.ids_stored} of {probe.ids_expected} ids stored, "
        f"{probe.self_retrieval_found} of {probe.self_retrieval_asked} found by their own vector",
        metadata={name: value for name, value in probe.model_dump().items() if value is not None},
    )


def _intact(home: Home, candidate: Manifest) -> dg.AssetCheckResult:
    """Names the damage, and what fixes it: the candidate, if its content is the same, or a command."""
    damaged, in_use = damage_in_use(home), readable_channels(home)
    fixes = [
        f"{candidate.id} is an intact twin"
        if one.fingerprint == candidate.fingerprint
        else f"`rag verify {one.release} --repair`"
        for one in damaged
    ]
    wrong = [
        f"{one.channel} points at {one.release}, which is damaged ({', '.join(one.what)}); {fix}"
        for one, fix in zip(damaged, fixes, strict=True)
    ]
    well = [f"{name} points at {one.release}, every file of which is as it was built" for name, one in in_use.items()]
    rows = [(one.channel, one.release, name) for one in damaged for name in one.what]
    return check(
        CANDIDATE,
        INTACT,
        not damaged,
        says="; ".join(wrong or well) or "No channel points at a release yet",
        metadata={
            "channels": len(in_use),
            "damaged_files": len(rows),
            "damage": table(("channel", "release", "what"), rows),
        },
    )
