"""The whole graph for some settings: every contract becomes a source, every golden folder an asset."""

import dagster as dg

from rag_pipeline.contracts.read import read_contracts
from rag_pipeline.defs.alerts import alerts_sensor
from rag_pipeline.defs.by_hand import jobs_by_hand
from rag_pipeline.defs.candidate import candidate_asset
from rag_pipeline.defs.channel import channel_asset
from rag_pipeline.defs.corpus import corpus_assets
from rag_pipeline.defs.dead_runs import dead_runs_sensor
from rag_pipeline.defs.evaluation import evaluation_asset
from rag_pipeline.defs.golden import golden_assets, golden_names
from rag_pipeline.defs.jobs import jobs, schedules
from rag_pipeline.defs.production_evaluation import production_evaluation_asset
from rag_pipeline.defs.ready import check_crons
from rag_pipeline.defs.retention import retention_asset
from rag_pipeline.defs.sources import source_assets
from rag_pipeline.defs.worker import executor
from rag_pipeline.release.policy import promotions
from rag_pipeline.settings import Settings


def build(settings: Settings) -> dg.Definitions:
    """The definitions for some settings. Raises `PipelineError` when a contract or a cron line is not valid."""
    contracts = read_contracts(settings.contracts)
    check_crons(settings, contracts)
    golden = golden_names(settings.evals)
    channels = promotions(settings.evals, settings.promotion)
    defined = jobs(contracts, [name for name, promotion in channels.items() if promotion == "manual"])
    return dg.Definitions(
        assets=[
            *(source_assets(contract, settings) for contract in contracts),
            *corpus_assets(contracts, settings),
            *(golden_assets(name, contracts, settings) for name in golden),
            candidate_asset(contracts, settings),
            evaluation_asset(contracts, golden, list(channels), settings),
            *(
                channel_asset(name, contracts, settings, automatic=promotion == "automatic")
                for name, promotion in channels.items()
            ),
            production_evaluation_asset(contracts, settings),
            retention_asset(settings),
        ],
        jobs=[*defined.values(), *jobs_by_hand(contracts, settings)],
        schedules=schedules(settings, contracts, defined),
        sensors=[dead_runs_sensor(settings), alerts_sensor(settings, contracts)],
        executor=executor(settings),
    )
