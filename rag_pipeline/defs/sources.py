"""One pair of assets a source, made from its contract: the documents that keep it, and the rows that do not."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Column, Contract
from rag_pipeline.defs import keys
from rag_pipeline.defs.present import check, plain, plain_lines, table
from rag_pipeline.defs.source_checks import warning_specs, warnings
from rag_pipeline.ingest.connectors.account import LEFT_OUT_ON_PURPOSE
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.quality import QualityResult
from rag_pipeline.ingest.report import LoadReport, Losses
from rag_pipeline.ingest.state import SourceState, source_state
from rag_pipeline.settings import Settings, load_secrets

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
                    description=plain_lines(rule.description) or f"{rule.metric} {rule.operator} {rule.bound}",
                )
                for rule in contract.quality
            ),
            *warning_specs(contract),
            dg.AssetCheckSpec(REFUSED_CHECK, asset=quarantine, description="Every row of the feed kept the contract."),
        ],
    )
    def load(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        now = datetime.now(UTC)
        report = load_source(contract, settings.home, run_id=context.run.run_id, now=now, secrets=load_secrets())
        state = source_state(contract, settings.home, now)
        yield dg.MaterializeResult(
            asset_key=documents,
            metadata=_documents_metadata(contract, report, state),
            data_version=dg.DataVersion(report.data_version),
            check_results=[
                check(documents, BATCH_CHECK, not report.held, says=_held_says(contract, report)),
                _age_check(contract, state),
                *(_quality_check(contract, result) for result in report.quality),
                *warnings(contract, report, state),
            ],
        )
        yield dg.MaterializeResult(
            asset_key=quarantine,
            metadata=_quarantine_metadata(report),
            check_results=[_refused_check(contract, report)],
        )

    return load


_SHORTEST_WINDOW = timedelta(minutes=1)
"""Of a freshness policy, says Dagster; the check of the data's age knows shorter ones."""

_BATCH_SAYS = (
    "The feed could be read, has the columns the contract requires, and neither refused too many rows nor shrank too "
    "much. When it fails, the source is held at its last good version, which keeps serving."
)


def _documents_spec(contract: Contract) -> dg.AssetSpec:
    fail = max(timedelta(hours=contract.max_age_hours), _SHORTEST_WINDOW) if contract.max_age_hours else None
    return dg.AssetSpec(
        keys.documents(contract.source),
        group_name=contract.source,
        owners=list(contract.owners),
        kinds={"deltalake", "pandera"},
        tags=_tags(contract),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=fail) if fail else None,
        description=(
            f"{plain_lines(contract.description)}\n\n**Grain**: one document. **Origin**: {plain(contract.server.says)}, "
            f"contract `{contract.id}` {contract.version} (`{contract.file.name}`). **Re-run**: reads only items that "
            f"changed; a batch that breaks the contract leaves the last good version in place. {contract.answers}."
        ),
        metadata={
            "contract": str(contract.file),
            "contract_version": contract.version,
            "dagster/column_schema": _column_schema(contract),
            "support": table(("channel", "url"), [(s.channel, s.url) for s in contract.support], empty="none named"),
            "access_roles": ", ".join(contract.roles) or "none named",
            "kept_for": f"{contract.retention_hours / 24:g} days" if contract.retention_hours else "no limit promised",
        },
    )


def _tags(contract: Contract) -> dict[str, str]:
    """The contract's version, classification and own tags, as Dagster takes them (letters, digits, `_`, `-`, `.`)."""
    tags = {"contract_version": contract.version} | {_tag(tag): "" for tag in contract.tags}
    return tags | ({"classification": _tag(contract.classification)} if contract.classification else {})


def _tag(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)[:63].strip("_.-") or "tag"


def _column_schema(contract: Contract) -> dg.TableSchema:
    return dg.TableSchema([_table_column(column) for column in contract.columns])


def _table_column(column: Column) -> dg.TableColumn:
    tags = {_tag(tag): "" for tag in column.tags}
    if column.classification:
        tags["classification"] = _tag(column.classification)
    if column.role:
        tags["role"] = column.role
    if column.privacy.policy != "allow":
        tags["pii_policy"] = column.privacy.policy
    options = [f"{name}: {value}" for name, value in column.options.items()]
    enum = [f"one of {', '.join(str(value) for value in column.allowed)}"] if column.allowed else []
    return dg.TableColumn(
        column.name,
        column.logical_type,
        description=plain_lines(column.description) or None,  # which the UI renders as Markdown, the rest as it is
        constraints=dg.TableColumnConstraints(nullable=not column.required, unique=column.unique, other=[*options, *enum]),
        tags=tags,
    )


def _quarantine_spec(contract: Contract) -> dg.AssetSpec:
    return dg.AssetSpec(
        keys.quarantine(contract.source),
        group_name=contract.source,
        owners=list(contract.owners),
        kinds={"deltalake"},
        tags={"classification": "restricted"},  # it holds values as found, private data too
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
        "items_unreachable": report.items_unreachable,
        "items_read_again_because_lost": 0 if report.held else report.items_lost,
        "values_from_the_future": state.from_the_future,
        "rows_in": report.rows_in,
        "rows_good": report.good,
        "rows_refused": report.refused,
        "rows_superseded": report.superseded,
        "rows_expired": report.expired,
        "purged": report.purged,
        "private_data_found": table(("entity", "found"), report.pii_found.items(), empty="none, in what was read now"),
        "age_hours": round(state.age_hours, 2) if state.age_hours is not None else -1.0,
        "left_out_of_documents": _left_out(report.losses),
        "documents_that_lack_something": table(
            ("item", "lacks", "percent"),
            [(item, account.says, round(account.percent, 1)) for item, account in report.losses.examples],
            empty="none",
        ),
        "files_of_kinds_not_read": table(("suffix", "files"), sorted((report.losses.not_read or {}).items()), empty="none"),
        "changes": table(("change", "document"), changes, empty="nothing changed"),
        "columns_not_in_contract": ", ".join(report.unknown_columns) or "none",
        "contract": f"{contract.id} {contract.version}",
    }


def _left_out(losses: Losses) -> dg.MarkdownMetadataValue:
    """By kind, over all documents that are stored now."""
    rows: list[tuple[str, int, str]] = [
        (f"words of {kind}", count, "on purpose" if kind in LEFT_OUT_ON_PURPOSE else "missing")
        for kind, count in sorted(losses.total.lost.items(), key=lambda one: -one[1])
    ]
    if losses.total.silent:
        rows.insert(0, (f"pages without text, of {losses.total.pages:,}", losses.total.silent, "missing"))
    of = f"nothing of {losses.total.shown:,} words in {losses.accounted:,} documents"
    return table(("what", f"of {losses.total.shown:,} words", ""), rows, empty=of)


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
    return f"{report.open_refusals} rows are refused: {', '.join(examples)}{more}. {contract.answers}"


def _quality_check(contract: Contract, result: QualityResult) -> dg.AssetCheckResult:
    rule = result.rule
    return check(
        keys.documents(contract.source),
        rule.name,
        result.holds,
        severity=dg.AssetCheckSeverity.ERROR if rule.severity == "error" else dg.AssetCheckSeverity.WARN,
        says=result.says if result.holds else f"{result.says}. {contract.answers}",
        measured=result.value,
        unit=rule.unit,
    )


def _held_says(contract: Contract, report: LoadReport) -> str:
    if not report.held:
        return ""
    return f"Held at its last good version ({report.documents} documents): {report.reason}. {contract.answers}"


def _age_check(contract: Contract, state: SourceState) -> dg.AssetCheckResult:
    hours = {"age_hours": state.age_hours, "max_age_hours": contract.max_age_hours}
    known: dict[str, Any] = {name: round(value, 2) for name, value in hours.items() if value is not None}
    says = _age_says_now(contract, state)
    return check(keys.documents(contract.source), AGE_CHECK, state.within_sla, says=says, **known)


def _age_says_now(contract: Contract, state: SourceState) -> str:
    if state.within_sla:
        return ""
    return f"The source {state.late_because}: this blocks promotion. {contract.answers}"


def _age_says(contract: Contract) -> str:
    if contract.max_age_hours is None:
        return "The contract promises no age, so any will do."
    of = f"the newest {contract.age_column}" if contract.age_column else "the last load that was not held"
    return f"At most {contract.max_age_hours:g} hours since {of}. A source past it blocks promotion."
