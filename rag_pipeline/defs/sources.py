"""One pair of assets a source, made from its contract: the documents that keep it, and the rows that do not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs import keys
from rag_pipeline.defs.present import check, table
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.state import QualityResult, SourceState, measure_quality, source_state
from rag_pipeline.settings import Settings

BATCH_CHECK = "batch_keeps_its_contract"
AGE_CHECK = "data_is_within_its_sla"
REFUSED_CHECK = "no_row_is_refused"


def source_assets(contract: Contract, settings: Settings) -> dg.AssetsDefinition:
    """The multi-asset of one source."""
    documents, quarantine = keys.documents(contract.source), keys.quarantine(contract.source)

    @dg.multi_asset(
        name=f"{contract.source}__load",
        specs=[_documents_spec(contract), _quarantine_spec(contract)],
        check_specs=[
            dg.AssetCheckSpec(BATCH_CHECK, asset=documents, description=_BATCH_SAYS),
            dg.AssetCheckSpec(AGE_CHECK, asset=documents, description=_age_says(contract)),
            *(
                dg.AssetCheckSpec(
                    rule.name,
                    asset=documents,
                    description=rule.description or f"{rule.metric} {rule.operator} {rule.bound}",
                )
                for rule in contract.quality
            ),
            dg.AssetCheckSpec(REFUSED_CHECK, asset=quarantine, description="Every row of the feed kept the contract."),
        ],
    )
    def load(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        now = datetime.now(UTC)
        report = load_source(contract, settings.home, run_id=context.run.run_id, now=now)
        state = source_state(contract, settings.home, now)
        yield dg.MaterializeResult(
            asset_key=documents,
            metadata=_documents_metadata(contract, report, state),
            data_version=dg.DataVersion(report.data_version),
            check_results=[
                check(documents, BATCH_CHECK, not report.held, says=_held_says(contract, report)),
                check(documents, AGE_CHECK, state.within_sla, age_hours=round(state.age_hours or 0.0, 2)),
                *(_quality_check(contract, result) for result in measure_quality(contract, settings.home)),
            ],
        )
        yield dg.MaterializeResult(
            asset_key=quarantine,
            metadata=_quarantine_metadata(report),
            check_results=[_refused_check(contract, report)],
        )

    return load


_BATCH_SAYS = (
    "The feed could be read, has the columns the contract requires, and neither refused too many rows nor shrank too "
    "much. When it fails, the source is held at its last good version, which keeps serving."
)


def _documents_spec(contract: Contract) -> dg.AssetSpec:
    where = contract.server.path or contract.server.connector
    fail = timedelta(hours=contract.max_age_hours) if contract.max_age_hours else None
    return dg.AssetSpec(
        keys.documents(contract.source),
        group_name=contract.source,
        owners=list(contract.owners),
        kinds={"deltalake", "pandera"},
        tags={"contract_version": contract.version},
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=fail) if fail else None,
        description=(
            f"{contract.description}\n\n**Grain**: one document. **Origin**: `{where}`, contract `{contract.id}` "
            f"{contract.version} (`{contract.file.name}`). **Re-run**: reads only items that changed; a batch that "
            "breaks the contract leaves the last good version in place."
        ),
        metadata={"contract": str(contract.file), "contract_version": contract.version},
    )


def _quarantine_spec(contract: Contract) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.quarantine(contract.source),
        group_name=contract.source,
        owners=list(contract.owners),
        kinds={"deltalake"},
        tags={"classification": "restricted"},
        description=(
            f"Rows of `{contract.source}` its contract refused, kept with every reason.\n\n**Grain**: one refused row. "
            "**Re-run**: rows that are found good later are marked resolved; nothing is deleted."
        ),
    )


def _documents_metadata(contract: Contract, report: LoadReport, state: SourceState) -> dict[str, Any]:
    changes = [("added", key) for key in report.added]
    changes += [("changed", key) for key in report.changed] + [("removed", key) for key in report.removed]
    return {
        "outcome": report.outcome,
        "held": report.held,
        "held_because": report.reason or "not held",
        "dagster/row_count": report.documents,
        "documents": report.documents,
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "items_listed": report.items_listed,
        "items_read": report.items_read,
        "rows_in": report.rows_in,
        "rows_good": report.good,
        "rows_refused": report.refused,
        "rows_superseded": report.superseded,
        "age_hours": round(state.age_hours, 2) if state.age_hours is not None else -1.0,
        "changes": table(("change", "document"), changes, empty="nothing changed"),
        "columns_not_in_contract": ", ".join(report.unknown_columns) or "none",
        "contract": f"{contract.id} {contract.version}",
    }


def _quarantine_metadata(report: LoadReport) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    for refusal in report.refusals:
        for reason in refusal.reasons:
            reasons[reason] = reasons.get(reason, 0) + 1
    return {
        "dagster/row_count": report.open_refusals,
        "open": report.open_refusals,
        "by_reason": table(("reason", "rows"), sorted(reasons.items(), key=lambda pair: -pair[1])),
        "refused": table(
            ("item", "row", "kind", "why"),
            [(refusal.item, refusal.row, refusal.kind, "; ".join(refusal.reasons)) for refusal in report.refusals],
        ),
    }


def _refused_check(contract: Contract, report: LoadReport) -> dg.AssetCheckResult:
    examples = table(
        ("item", "row", "why"),
        [(refusal.item, refusal.row, "; ".join(refusal.reasons)) for refusal in report.refusals],
    )
    return check(
        keys.quarantine(contract.source),
        REFUSED_CHECK,
        report.open_refusals == 0,
        severity=dg.AssetCheckSeverity.WARN,
        says=_refused_says(contract, report),
        open=report.open_refusals,
        examples=examples,
    )


def _refused_says(contract: Contract, report: LoadReport) -> str:
    if not report.open_refusals:
        return ""
    one_row_an_item = contract.server.format in (None, "documents")
    examples = [
        f"{refusal.item}{'' if one_row_an_item else f' row {refusal.row}'} ({'; '.join(refusal.reasons)})"
        for refusal in report.refusals[:3]
    ]
    more = ", …" if report.open_refusals > len(examples) else ""
    return f"{report.open_refusals} rows are refused: {', '.join(examples)}{more}"


def _quality_check(contract: Contract, result: QualityResult) -> dg.AssetCheckResult:
    rule = result.rule
    return check(
        keys.documents(contract.source),
        rule.name,
        result.holds,
        severity=dg.AssetCheckSeverity.ERROR if rule.severity == "error" else dg.AssetCheckSeverity.WARN,
        says=f"{rule.metric} is {result.value:g} {rule.unit}; the contract says {rule.operator} {rule.bound}",
        measured=result.value,
        unit=rule.unit,
    )


def _held_says(contract: Contract, report: LoadReport) -> str:
    if not report.held:
        return ""
    return f"Held at its last good version ({report.documents} documents): {report.reason}. Owner: {contract.owners[0]}"


def _age_says(contract: Contract) -> str:
    if contract.max_age_hours is None:
        return "The contract promises no age, so any will do."
    of = f"the newest {contract.age_column}" if contract.age_column else "the last load that was not held"
    return f"At most {contract.max_age_hours:g} hours since {of}. A source past it blocks promotion."
