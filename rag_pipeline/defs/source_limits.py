"""Checks on a source against what its contract promises: the batch, the age of the data, quality rules, refused rows."""

from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Contract, QualityRule
from rag_pipeline.defs import keys
from rag_pipeline.host.ui_tables import check, plain_lines, table
from rag_pipeline.ingest.quality import QualityResult
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.state import SourceState

BATCH_CHECK = "batch_keeps_its_contract"
AGE_CHECK = "data_is_within_its_sla"
REFUSED_CHECK = "no_row_is_refused"

_BATCH = (
    "The feed could be read, has the columns the contract requires, and neither refused too many rows nor shrank too "
    "much. When it fails, the source is held at its last good version, which keeps serving."
)


def limit_specs(contract: Contract) -> list[dg.AssetCheckSpec]:
    """The checks, each with what it holds."""
    documents, refused = keys.documents(contract.source), "Every row of the feed kept the contract."
    return [
        dg.AssetCheckSpec(BATCH_CHECK, asset=documents, description=_BATCH),
        dg.AssetCheckSpec(AGE_CHECK, asset=documents, description=_age_promised(contract)),
        *(dg.AssetCheckSpec(rule.name, asset=documents, description=_rule(rule)) for rule in contract.quality),
        dg.AssetCheckSpec(REFUSED_CHECK, asset=keys.quarantine(contract.source), description=refused),
    ]


def document_checks(contract: Contract, report: LoadReport, state: SourceState) -> list[dg.AssetCheckResult]:
    """The results on the documents of a source."""
    quality = (_quality_check(contract, result) for result in report.quality)
    return [_batch_check(contract, report), _age_check(contract, state), *quality]


def _batch_check(contract: Contract, report: LoadReport) -> dg.AssetCheckResult:
    batch, refused_limit, drop_limit = report.batch, contract.quarantine_max_percent, contract.volume_max_drop_percent
    refused, drop = batch.refused_percent, max(0.0, batch.drop_percent)
    if report.held:
        says = f"Held at its last good version ({report.documents} documents): {report.reason}. {contract.answers}"
    else:
        says = (
            f"{report.rows_in:,} rows were read. {batch.refused:,} of {batch.after + batch.refused:,} rows break the "
            f"contract ({refused:.1f} %, at most {refused_limit:g} % may). There are {batch.after:,} documents after "
            f"{batch.before:,} before ({drop:.1f} % less, at most {drop_limit:g} % may go)"
        )
    return check(
        keys.documents(contract.source),
        BATCH_CHECK,
        not report.held,
        says=says,
        metadata={
            "rows_read": report.rows_in,
            "documents_the_batch_leaves": batch.after,
            "rows_refused": batch.refused,
            "refused_percent": round(refused, 2),
            "refused_percent_limit": refused_limit,
            "drop_percent": round(drop, 2),
            "drop_percent_limit": drop_limit,
        },
    )


def _age_check(contract: Contract, state: SourceState) -> dg.AssetCheckResult:
    documents = keys.documents(contract.source)
    hours = {"age_hours": state.age_hours, "max_age_hours": contract.max_age_hours}
    known: dict[str, Any] = {name: round(value, 2) for name, value in hours.items() if value is not None}
    return check(documents, AGE_CHECK, state.within_sla, says=_age_now(contract, state), metadata=known)


def _age_now(contract: Contract, state: SourceState) -> str:
    if not state.within_sla:
        return f"The source {state.late_because}: this blocks promotion. {contract.answers}"
    age = "was never loaded" if state.age_hours is None else f"is {max(0.0, state.age_hours):.1f} h old"
    promised = (
        "no age is promised" if contract.max_age_hours is None else f"at most {contract.max_age_hours:g} h is promised"
    )
    return f"The data {age}; {promised}"


def _age_promised(contract: Contract) -> str:
    if contract.max_age_hours is None:
        return "The contract promises no age, so any age is accepted."
    of = f"the newest {contract.age_column}" if contract.age_column else "the last load that was not held"
    return f"At most {contract.max_age_hours:g} hours since {of}. A source past it blocks promotion."


def _rule(rule: QualityRule) -> str:
    return plain_lines(rule.description) or f"{rule.metric} {rule.operator} {rule.bound}"


def _quality_check(contract: Contract, result: QualityResult) -> dg.AssetCheckResult:
    rule = result.rule
    bounds = rule.bound if isinstance(rule.bound, tuple) else (rule.bound,)
    names = ("limit",) if len(bounds) == 1 else ("lower_limit", "upper_limit")
    return check(
        keys.documents(contract.source),
        rule.name,
        result.holds,
        severity=dg.AssetCheckSeverity.ERROR if rule.severity == "error" else dg.AssetCheckSeverity.WARN,
        says=result.says if result.holds else f"{result.says}. {contract.answers}",
        metadata={"measured": result.value, "unit": rule.unit, **dict(zip(names, bounds, strict=True))},
    )


def refused_check(contract: Contract, report: LoadReport) -> dg.AssetCheckResult:
    """The result on the quarantine of a source."""
    rows = [(refusal.item, refusal.row, "; ".join(refusal.reasons)) for refusal in report.refusals]
    return check(
        keys.quarantine(contract.source),
        REFUSED_CHECK,
        report.open_refusals == 0,
        severity=dg.AssetCheckSeverity.WARN,
        says=_refused(contract, report),
        metadata={
            "open": report.open_refusals,
            "refused_percent": round(report.batch.refused_percent, 2),
            "refused_percent_limit": contract.quarantine_max_percent,
            "examples": table(("item", "row", "why"), rows),
        },
    )


def _refused(contract: Contract, report: LoadReport) -> str:
    if not report.open_refusals:
        return f"No row is refused; {report.documents:,} documents keep the contract"
    examples = [
        f"{refusal.item}{f' row {refusal.row}' if contract.server.many_rows else ''} ({'; '.join(refusal.reasons)})"
        for refusal in report.refusals[:3]
    ]
    more = ", …" if report.open_refusals > len(examples) else ""
    return f"{report.open_refusals} rows are refused: {', '.join(examples)}{more}. {contract.answers}"
