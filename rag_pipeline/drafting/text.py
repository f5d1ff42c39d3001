"""The draft's text: a contract in the order of the others, with what was seen and what a person has to decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor
from typing import Any

import polars as pl

from rag_pipeline.contracts.page import slug
from rag_pipeline.drafting.judge import Judged
from rag_pipeline.drafting.plan import PlannedColumn, Privacy, percent_up
from rag_pipeline.drafting.profile import blank
from rag_pipeline.drafting.yaml_text import Lines, in_line
from rag_pipeline.extraction.kinds import unread
from rag_pipeline.feeds.sample import Sample

PLACEHOLDER = "TODO@example.com"
LATENCY_HOURS = 48
_QUARANTINE_PERCENT, _DROP_PERCENT = 10, 50
_ROWS_KEPT = 0.7
"""Share of the rows seen that must stay."""


@dataclass(frozen=True, slots=True)
class Outline:
    """All that goes into a draft. `looked_at` says what was looked at; `left_out` why columns are not in it, by name."""

    source: str
    entry: dict[str, Any]
    rows_are: str
    documents: bool
    """Whether each row is a file or a page of its own."""
    looked_at: str
    columns: tuple[PlannedColumn, ...]
    left_out: tuple[tuple[str, str], ...]
    privacy: Privacy
    sample: Sample
    owner: str
    cursor: str
    """A column that may tell of every change, of a database; "" for none."""
    newest: datetime | None
    now: datetime


def write_text(outline: Outline, judged: Judged | None) -> str:
    """The contract. Without a judgment it says nothing that needs one: how many rows there must be, what may be missing."""
    out = Lines()
    out.comment(f"Contract of the source `{outline.source}`, in the Open Data Contract Standard.")
    out.comment(f"Drafted by `rag contract new` from {outline.looked_at}, on {outline.now:%Y-%m-%d}.")
    out.comment("TODO marks what its owner decides. Then remove these lines, set version to 1.0.0 and status to active.")
    out.field("apiVersion", "v3.2.0")
    out.field("kind", "DataContract")
    out.field("id", outline.source.replace("_", "-"))
    out.field("name", outline.source.replace("_", " ").capitalize())
    out.field("version", "0.1.0")
    out.field("status", "draft")
    with out.under("description"):
        out.field("purpose", f"TODO what these {outline.rows_are} are, and whose questions they answer.")
    out.blank()
    _write_team(out, outline.owner)
    _write_server(out, outline)
    _write_schema(out, outline, judged)
    _write_promises(out, outline)
    _write_properties(out, outline, judged)
    return out.text


def _write_team(out: Lines, owner: str) -> None:
    with out.under("team"):
        if owner and "@" not in owner:
            out.field("name", owner)
        else:
            with out.under("members"), out.item():
                out.field(
                    "username", owner or PLACEHOLDER, "" if owner else "TODO: who answers for it, here or as a team's name"
                )
                out.field("role", "owner")
    out.blank()


def _write_server(out: Lines, outline: Outline) -> None:
    with out.under("servers"), out.item():
        for name, value in outline.entry.items():
            if name != "customProperties":
                out.field(name, value)
        own = outline.entry.get("customProperties", [])
        if own:
            with out.under("customProperties"):
                for one in own:
                    with out.item():
                        out.field("property", one["property"])
                        out.field("value", one["value"])
        if outline.cursor:
            out.comment(f"TODO: does {outline.cursor} change with every change of a row? Then only such rows need be read:")
            out.suggest(f"  - {in_line({'property': 'cursor', 'value': outline.cursor})}")
    out.blank()


def _write_schema(out: Lines, outline: Outline, judged: Judged | None) -> None:
    names: set[str] = set()
    with out.under("schema"), out.item():
        out.field("name", outline.rows_are)
        out.field("logicalType", "object")
        with out.under("properties"):
            several = sum(column.role == "key" for column in outline.columns) > 1
            for place, column in enumerate(outline.columns, start=1):
                with out.item():
                    _write_column(out, column, key_place=place if several and column.role == "key" else 0)
                    if judged:
                        _write_missing(out, column, judged, names)
        for name, why in outline.left_out:
            out.comment(f"Left out: {name}: {why}" if name else f"Left out: {why}")
        if judged:
            _write_row_count(out, outline, judged)
    out.blank()


def _write_column(out: Lines, column: PlannedColumn, *, key_place: int) -> None:
    out.field("name", column.name)
    for remark in column.remarks:
        out.comment(remark)
    if column.values:
        out.comment(f"{len(column.values)} values were seen; to refuse all others:")
        out.suggest(f"enum: {in_line([{'value': value} for value in column.values])}")
    if column.todo:
        out.comment(f"TODO: {column.todo}")
    out.field("logicalType", column.logical_type)
    if column.required:
        out.field("required", value=True)
    if column.role == "key":
        out.field("primaryKey", value=True)
    if key_place:
        out.field("primaryKeyPosition", key_place)
    if column.options:
        out.field("logicalTypeOptions", column.options, column.options_remark)
    if column.classification:
        out.field("classification", column.classification)
    ours = {"role": column.role, "piiPolicy": column.policy, "piiEntities": list(column.entities)}
    if custom := [{"property": name, "value": value} for name, value in ours.items() if value]:
        out.field("customProperties", custom)


def _write_missing(out: Lines, column: PlannedColumn, judged: Judged, names: set[str]) -> None:
    """How much of an optional column may be missing. Nothing is said where it hardly ever has a value."""
    if column.required or column.role == "title" or column.policy == "drop" or not judged.good:
        return
    texts = pl.Series(column.profile.texts, dtype=pl.String).gather(list(judged.good))
    share = int((texts.is_null() | blank(texts)).sum()) / len(texts)
    if (bound := percent_up(1.5 * share + 0.1)) >= 100:
        return
    with out.under("quality"), out.item():
        out.field("name", _free_name(f"{slug(column.name)[:40] or 'column'}_is_mostly_there", names))
        out.field("metric", "missingValues")
        out.field("unit", "percent")
        out.field("mustBeLessThan", bound, f"{100 * share:.1f} seen")
        out.field("severity", "warning")


def _write_row_count(out: Lines, outline: Outline, judged: Judged) -> None:
    sample = outline.sample
    rows, seen = len(judged.good), f"{len(judged.good):,} good ones were seen"
    if not sample.whole:
        seen += ", and there are more: raise it"
        if outline.documents and sample.looked_at:
            rows = rows * sample.listed // sample.looked_at
            seen = f"{sample.listed:,} or more are there"
    with out.under("quality"), out.item():
        out.field("name", f"enough_{slug(outline.rows_are)}")
        out.field("metric", "rowCount")
        out.field("mustBeGreaterOrEqualTo", max(1, floor(_ROWS_KEPT * rows)), f"TODO: {seen}")
        out.field("severity", "error")


def _write_promises(out: Lines, outline: Outline) -> None:
    column = next((one.name for one in outline.columns if one.role == "modified_at"), "")
    with out.under("slaProperties"), out.item():
        out.field("property", "latency")
        out.field("value", LATENCY_HOURS // 24)
        out.field("unit", "d")
        if element := aged_by(outline):
            out.field("element", f"{outline.rows_are}.{element}")
        if outline.newest and column:
            ago = (outline.now - outline.newest).total_seconds() / 3600
            says = (
                f"the newest {column} seen was {ago:,.0f} h ago"
                if ago >= 0
                else f"the newest {column} seen lies in the future"
            )
            out.comment(
                f"{says}; {'older than the promise, the source blocks promotion' if element else 'the last load counts'}"
            )
        out.field("description", "TODO how old it may become before answers from it are wrong.")
    out.blank()


def aged_by(outline: Outline) -> str:
    """The column that tells how old the source is: only where its newest value is young, else the promise is broken at once.

    A file's time says when it was copied, and a page's when it was served.
    """
    column = next((one for one in outline.columns if one.role == "modified_at"), None)
    if column is None or outline.newest is None or outline.documents or "." in column.name:
        return ""
    ago = (outline.now - outline.newest).total_seconds() / 3600
    return column.name if 0 <= ago <= LATENCY_HOURS / 2 and column.policy is None else ""


def _write_properties(out: Lines, outline: Outline, judged: Judged | None) -> None:
    lost = (judged.refused_rows if judged else 0) + outline.sample.broken + outline.sample.unreadable
    looked = len(outline.sample.rows) + outline.sample.broken + outline.sample.unreadable
    share = lost / looked if looked else 0.0
    bound = _QUARANTINE_PERCENT if 2 * share <= _QUARANTINE_PERCENT / 100 else min(100, percent_up(2 * share))
    with out.under("customProperties"):
        out.comment(
            f"More refused rows than this, and the source is held at its last good version. Seen: {100 * share:.1f} %."
        )
        with out.item():
            out.field("property", "quarantineMaxPercent")
            lower = "TODO: fix the feed, or the rules above, and lower it" if bound > _QUARANTINE_PERCENT else ""
            out.field("value", bound, lower)
        out.comment("A source that shrinks by more than this in one night is held too.")
        with out.item():
            out.field("property", "volumeMaxDropPercent")
            out.field("value", _DROP_PERCENT)
        _write_privacy(out, outline.privacy)


def _write_privacy(out: Lines, privacy: Privacy) -> None:
    if not privacy.entities:
        out.comment("Private data was looked for and not found. To have it masked anyway, where it may turn up:")
        out.suggest(f"- {in_line({'property': 'piiPolicy', 'value': 'scan-and-mask'})}")
        return
    out.comment(
        f"TODO: private data was {privacy.remark}. It is masked wherever a column says nothing else; allow keeps it."
    )
    with out.item():
        out.field("property", "piiPolicy")
        out.field("value", "scan-and-mask")
    if "PHONE_NUMBER" in privacy.entities:
        out.comment("Phone numbers without a country's prefix are found with piiRegions only: [DE, FR].")
    if privacy.needs_salt:
        out.comment(
            f"TODO: the key ({', '.join(privacy.needs_salt)}) holds some, so that no load works without RAG_PII_SALT."
        )
    with out.item():
        out.field("property", "piiEntities")
        out.field("value", list(privacy.entities))


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    taken.add(free)
    return free


def todos(outline: Outline, judged: Judged) -> Sequence[str]:
    """What its owner decides, in the order of the file."""
    said = ["what these rows are, and for whom (description)"]
    if not outline.owner:
        said.append("who answers for it (team)")
    if outline.cursor:
        said.append(f"whether {outline.cursor} changes with every change of a row (servers: cursor)")
    by_todo: dict[str, list[str]] = {}
    for one in outline.columns:
        by_todo.setdefault(one.todo, []).append(one.name)
    said += [f"{', '.join(names)}: {todo}" for todo, names in by_todo.items() if todo]
    said += [f"{name} is left out: {why}" if name else f"left out: {why}" for name, why in outline.left_out]
    if outline.privacy.entities:
        said.append(f"private data {outline.privacy.remark}: it is masked (customProperties: piiPolicy)")
    if outline.privacy.needs_salt:
        said.append("set RAG_PII_SALT to a secret: the key holds private data, and is masked with it")
    said += [f"{count:,} rows would be refused: {why}" for why, count in judged.refused.items()]
    if judged.superseded:
        said.append(f"{judged.superseded:,} rows repeat another's key; of each key the last row is kept")
    if outline.sample.unreadable:
        how_many = f"{outline.sample.unreadable:,} of what was looked at cannot be read"
        said.append(f"{how_many}, the first because: {outline.sample.problem}; a load names each (rag quarantine list)")
    if outline.sample.not_read:
        kinds = unread(outline.sample.not_read)
        said.append(f"kinds that are not read: {kinds}; save them as another kind, or leave them out (servers: exclude)")
    said.append("how many rows there must be (quality), and how old they may be (slaProperties)")
    return said
