"""Checks on a source that only warn: of what the tables lost, of how much left, of the time, of what is hardly meant."""

from collections.abc import Iterator

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs import keys
from rag_pipeline.defs.present import check
from rag_pipeline.ingest.report import LoadReport, Losses, unread
from rag_pipeline.ingest.state import SourceState

LOST_CHECK = "tables_hold_what_was_stored"
VOLUME_CHECK = "volume_is_as_usual"
TIME_CHECK = "time_is_plausible"
VALUES_CHECK = "values_are_plausible"
WORDS_CHECK = "documents_hold_what_their_files_show"
KINDS_CHECK = "no_new_kind_of_file_is_left_out"

_SAYS = {
    LOST_CHECK: (
        "The tables held all that earlier loads stored. What they lost (a power cut, a deleted row, a table set back) is "
        "read again from the feed."
    ),
    VOLUME_CHECK: (
        "No more documents left than is usual for this source: the second largest drop of its last sixty loads, and at "
        "least 5 % and 3 documents. Far below what holds the source; an export that was cut short looks like this."
    ),
    WORDS_CHECK: (
        "A second reading of every HTML, PDF, DOCX and other parsed file found its words in the text that is stored, up to "
        "textLostMaxPercent of them. What is missing is listed by kind."
    ),
    KINDS_CHECK: (
        "No file has a suffix that no connector reads and that the load before did not see. Leave such files out with "
        "exclude, or save them as another kind."
    ),
    TIME_CHECK: "The clock fits the loads before, and no value that the source's age is told by lies in the future.",
    VALUES_CHECK: (
        "No date stands for none (year 1 or 9999, 1900-01-01, 1970-01-01), is of another century than the rest of its "
        "column, or says of a change that it is still to come. Such rows are taken; `minimum` and `maximum` decide."
    ),
}


def warning_specs(contract: Contract) -> Iterator[dg.AssetCheckSpec]:
    for name, says in _SAYS.items():
        yield dg.AssetCheckSpec(name, asset=keys.documents(contract.source), description=says)


def warnings(contract: Contract, report: LoadReport, state: SourceState) -> Iterator[dg.AssetCheckResult]:
    found = {
        LOST_CHECK: _lost(report),
        VOLUME_CHECK: report.unusual_drop,
        WORDS_CHECK: _words(contract, report.losses),
        KINDS_CHECK: _kinds(report.losses),
        TIME_CHECK: _time(report, state),
        VALUES_CHECK: "; ".join(report.implausible),
    }
    for name, says in found.items():
        told = f"{says}. {contract.answers}" if says else ""
        documents = keys.documents(contract.source)
        yield check(documents, name, not says, severity=dg.AssetCheckSeverity.WARN, says=told)


def _lost(report: LoadReport) -> str:
    if not report.items_lost:
        return ""
    what = "could not be read again, because the source is held" if report.held else "were read again"
    return (
        f"The tables did not hold what was stored of {report.items_lost} items, which {what}: a commit or rows of a table "
        "were lost, as a power cut can do, or a load was killed"
    )


def _words(contract: Contract, losses: Losses) -> str:
    if not losses.lossy:
        return ""
    worst = "; ".join(f"{item}: {account.says}" for item, account in losses.examples[: min(3, losses.lossy)])
    return (
        f"{losses.lossy:,} of {losses.accounted:,} documents lack more than {contract.text_lost_max_percent:g} % of what "
        f"their files show (textLostMaxPercent), the worst first: {worst}"
    )


def _kinds(losses: Losses) -> str:
    if not losses.new_suffixes:
        return ""
    new = {name: count for name, count in (losses.not_read or {}).items() if name in losses.new_suffixes}
    return f"Files of kinds that are not read, which the load before did not see: {unread(new)}"


def _time(report: LoadReport, state: SourceState) -> str:
    says = [report.clock_doubt] if report.clock_doubt else []
    if state.from_the_future:
        says.append(
            f"{state.from_the_future} values of {state.age_column} were more than a day in the future when they were "
            "loaded, and do not count for the age of the source"
        )
    return "; ".join(says)
