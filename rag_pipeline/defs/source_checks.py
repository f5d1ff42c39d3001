"""Checks on a source that only warn: what the tables lost, how much left, the time, and values that are probably wrong."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs import keys
from rag_pipeline.extraction.kinds import unread
from rag_pipeline.host.ui_tables import check
from rag_pipeline.ingest.report import LoadReport, Losses
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
        "No more documents left than usual. Usual is the second largest drop of the source's last sixty loads, and "
        "at least 5 % and 3 documents. That is far less than what holds the source; an export that was cut short "
        "looks like this."
    ),
    WORDS_CHECK: (
        "A second reading of every HTML, PDF, DOCX and other parsed file found its words in the text that is stored, up to "
        "textLostMaxPercent of them. The check lists by kind what is missing."
    ),
    KINDS_CHECK: (
        "No file has a suffix that no connector reads and that the load before did not see. Leave such files out with "
        "exclude, or save them as another kind."
    ),
    TIME_CHECK: "The clock fits the loads before, and no value that tells the source's age lies in the future.",
    VALUES_CHECK: (
        "No date is a placeholder (year 1 or 9999, 1900-01-01, 1970-01-01), lies in another century than the rest "
        "of its column, or dates a change in the future. Such rows are accepted; `minimum` and `maximum` decide."
    ),
}


def warning_specs(contract: Contract) -> Iterator[dg.AssetCheckSpec]:
    for name, says in _SAYS.items():
        yield dg.AssetCheckSpec(name, asset=keys.documents(contract.source), description=says)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a check found: what is wrong, empty where nothing is; what to say where nothing is; and the numbers."""

    wrong: str
    well: str
    numbers: Mapping[str, float]


def warnings(contract: Contract, report: LoadReport, state: SourceState) -> Iterator[dg.AssetCheckResult]:
    looked_at = {
        LOST_CHECK: _lost(report),
        VOLUME_CHECK: _volume(report),
        WORDS_CHECK: _words(contract, report.losses),
        KINDS_CHECK: _kinds(report.losses),
        TIME_CHECK: _time(report, state),
        VALUES_CHECK: _values(report),
    }
    documents, warn = keys.documents(contract.source), dg.AssetCheckSeverity.WARN
    for name, found in looked_at.items():
        says = f"{found.wrong}. {contract.answers}" if found.wrong else found.well
        yield check(documents, name, not found.wrong, severity=warn, says=says, metadata=found.numbers)


def _lost(report: LoadReport) -> _Found:
    what = "could not be read again because the source is held" if report.held else "were read again"
    wrong = (
        f"The tables did not hold what was stored of {report.items_lost} items, which {what}: a commit or rows of a table "
        "were lost, as a power cut can do, or a load was killed"
    )
    well = f"Nothing that earlier loads stored is missing: {report.documents:,} documents"
    return _Found(wrong if report.items_lost else "", well, {"items_lost": report.items_lost})


def _volume(report: LoadReport) -> _Found:
    left, before = max(0, report.batch.before - report.documents), report.batch.before
    percent, usual = 100 * left / before if before else 0.0, report.usual_drop_percent
    well = f"{left:,} of {before:,} documents left ({percent:.1f} %); up to {usual:.1f} %, or 3 documents, is usual"
    numbers = {"documents_that_left": left, "drop_percent": round(percent, 2), "usual_drop_percent": round(usual, 2)}
    return _Found(report.unusual_drop, well, numbers)


def _words(contract: Contract, losses: Losses) -> _Found:
    limit = contract.text_lost_max_percent
    worst = "; ".join(f"{item}: {account.says}" for item, account in losses.examples[: min(3, losses.lossy)])
    wrong = (
        f"{losses.lossy:,} of {losses.accounted:,} documents lack more than {limit:g} % of what "
        f"their files show (textLostMaxPercent), the worst first: {worst}"
    )
    well = f"None of {losses.accounted:,} documents that were read twice lacks more than {limit:g} % of what its file shows"
    numbers = {"documents_lacking": losses.lossy, "documents_read_twice": losses.accounted, "lacks_percent_limit": limit}
    return _Found(wrong if losses.lossy else "", well, numbers)


def _kinds(losses: Losses) -> _Found:
    not_read = losses.not_read or {}
    new = {name: count for name, count in not_read.items() if name in losses.new_suffixes}
    wrong = f"Files of kinds that are not read, which the load before did not see: {unread(new)}"
    well = (
        (f"No new kind; these are not read, as before: {losses.unread}")
        if not_read
        else "Every file is of a kind that is read"
    )
    numbers = {"files_not_read": sum(not_read.values()), "new_kinds": len(new)}
    return _Found(wrong if losses.new_suffixes else "", well, numbers)


def _time(report: LoadReport, state: SourceState) -> _Found:
    wrong = [report.clock_doubt] if report.clock_doubt else []
    if state.from_the_future:
        wrong.append(
            f"{state.from_the_future} values of {state.age_column} were more than a day in the future when they were "
            "loaded, and do not count for the age of the source"
        )
    ahead = f", and no value of {state.age_column} lies in the future" if state.age_column else ""
    well = f"The clock said {report.at:%Y-%m-%d %H:%M} UTC, which fits the loads before{ahead}"
    return _Found("; ".join(wrong), well, {"values_from_the_future": state.from_the_future})


def _values(report: LoadReport) -> _Found:
    well = (
        f"No date of {report.documents:,} documents is a placeholder, or lies in another century than the rest of its column"
    )
    return _Found("; ".join(report.implausible), well, {"implausible_columns": len(report.implausible)})
