"""One pair of assets for each source, made from its contract: the documents that keep it, and the rows that do not."""

from datetime import UTC, datetime

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs import keys
from rag_pipeline.defs.source_checks import warning_specs, warnings
from rag_pipeline.defs.source_limits import document_checks, limit_specs, refused_check
from rag_pipeline.defs.source_specs import documents_spec, quarantine_spec
from rag_pipeline.host.names import load_step
from rag_pipeline.host.source_metadata import documents_metadata, quarantine_metadata
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.state import source_state
from rag_pipeline.settings import Settings, load_secrets


def source_assets(contract: Contract, settings: Settings) -> dg.AssetsDefinition:
    """The multi-asset of one source."""

    @dg.multi_asset(
        name="__".join(load_step(contract.source)),
        specs=[documents_spec(contract, settings.home), quarantine_spec(contract, settings.home)],
        check_specs=[*limit_specs(contract), *warning_specs(contract)],
    )
    def load(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        now = datetime.now(UTC)
        report = load_source(contract, settings.home, run_id=context.run.run_id, now=now, secrets=load_secrets())
        state = source_state(contract, settings.home, now)
        yield dg.MaterializeResult(
            asset_key=keys.documents(contract.source),
            metadata=documents_metadata(contract, report, state),
            data_version=dg.DataVersion(report.data_version),
            check_results=[*document_checks(contract, report, state), *warnings(contract, report, state)],
        )
        yield dg.MaterializeResult(
            asset_key=keys.quarantine(contract.source),
            metadata=quarantine_metadata(report),
            check_results=[refused_check(contract, report)],
        )

    return load
