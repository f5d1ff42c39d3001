"""The whole graph for some settings: every contract becomes a source, every golden folder an asset."""

import dagster as dg

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.defs.alerts import Build, alerts_sensor
from rag_pipeline.defs.answers import answers_asset
from rag_pipeline.defs.by_hand import jobs_by_hand
from rag_pipeline.defs.candidate import candidate_asset
from rag_pipeline.defs.channel import channel_asset
from rag_pipeline.defs.corpus import chunks_asset, embeddings_asset
from rag_pipeline.defs.evaluation import evaluation_asset
from rag_pipeline.defs.golden import golden_assets, golden_names
from rag_pipeline.defs.jobs import Ours, jobs, schedules
from rag_pipeline.defs.production_evaluation import production_evaluation_asset
from rag_pipeline.defs.ready import check_crons, check_made_by
from rag_pipeline.defs.replicas import replicas_asset
from rag_pipeline.defs.retention import retention_asset
from rag_pipeline.defs.settings_resource import KEY, settings_resource
from rag_pipeline.defs.sources import source_assets
from rag_pipeline.defs.traffic import traffic_assets
from rag_pipeline.defs.tries import try_job
from rag_pipeline.gate.policy import promotions
from rag_pipeline.host.dead_runs import dead_runs_sensor
from rag_pipeline.host.lineage import Lineage
from rag_pipeline.host.names import named
from rag_pipeline.host.placing import Placing, place
from rag_pipeline.host.standard import with_source
from rag_pipeline.host.turns import turn
from rag_pipeline.host.worker import executor
from rag_pipeline.settings import Settings


def build(settings: Settings, whole: Build | None = None, *, alone: bool = True) -> dg.Definitions:
    """The definitions for some settings, and nothing else: what people drop into this folder is added by `dropped.live`.

    `whole` makes all that is live, for the sensor of the alerts to look at; this graph alone, if it is left out.
    `alone`: the code location is this pipeline's, so that all runs there have its executor. In a project of other people's,
    each step of ours takes its turn by itself where it is in a run of their executor.

    Raises `PipelineError` when a contract or a cron line is not valid.
    """
    contracts = read_contracts(settings.contracts)
    check_crons(settings, contracts)
    golden = golden_names(settings.evals)
    channels = promotions(settings.evals, settings.promotion)
    lineage = Lineage(settings, contracts)
    assets = [
        *(source_assets(contract, settings) for contract in contracts),
        chunks_asset(contracts, settings),
        embeddings_asset(settings),
        *(golden_assets(name, contracts, settings) for name in golden),
        candidate_asset(contracts, settings),
        evaluation_asset(contracts, golden, list(channels), settings),
        *(
            channel_asset(name, contracts, settings, automatic=promotion == "automatic")
            for name, promotion in channels.items()
        ),
        production_evaluation_asset(contracts, settings, lineage),
        replicas_asset(settings),
        answers_asset(settings),
        retention_asset(settings),
        *traffic_assets(settings),
    ]
    around = (*(() if alone else (turn(settings),)), *lineage.surroundings)
    placing = Placing(settings, {key for one in assets for key in one.keys}, around)
    assets, ours = [place(one, placing) for one in with_source(assets)], executor(settings, alone=alone)
    own = Ours(settings, [key for one in assets for key in one.keys], ours)
    check_made_by(contracts, own.keys)
    defined = jobs(own, contracts, [name for name, promotion in channels.items() if promotion == "manual"])
    return dg.Definitions(
        assets=assets,
        jobs=[*defined.values(), *jobs_by_hand(contracts, settings, ours, lineage), try_job(settings, ours)],
        schedules=schedules(settings, contracts, defined),
        sensors=[dead_runs_sensor(settings, alone=alone), alerts_sensor(settings, contracts, whole or build)],
        resources={named(settings, KEY): settings_resource(settings)},
        executor=ours if alone else None,
    )
