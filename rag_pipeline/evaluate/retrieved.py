"""What was retrieved, query by query and on both sides, in one small Parquet file beside the evidence.

From it and the golden set every figure of the evidence can be computed again. It holds ids and places, no text.
"""

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl
import pyarrow as pa

from rag_pipeline.files import fingerprint
from rag_pipeline.lake import rows_of
from rag_pipeline.metrics.spans import Span

Side = Literal["candidate", "production"]

_SPANS = pa.list_(pa.struct([("document", pa.string()), ("start", pa.int64()), ("end", pa.int64())]))
_SCHEMA = pa.schema(
    [
        ("golden_set", pa.string()),
        ("side", pa.string()),
        ("query_id", pa.string()),
        ("documents", pa.list_(pa.string())),
        ("spans", _SPANS),
        ("wanted", _SPANS),
        ("text", pa.string()),  # hash of what was asked; null in a file that did not know it
        ("probe", pa.bool_()),  # the query is a probe, and its id is one of the probes'
    ]
)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What one side retrieved for the queries of one golden set."""

    documents: Mapping[str, list[str]]
    """query id -> documents, best first, deeper than the metrics look, so that new ones can be taken out (`condensed`)"""
    spans: Mapping[str, list[Span]]
    """query id -> where its chunks stand, best first; empty where no metric of passages is taken"""
    wanted: Mapping[str, list[Span]]
    """query id -> where its quoted passages stand in that release's own texts; empty likewise"""
    probes: Mapping[str, list[str]] = field(default_factory=dict)
    """probe id -> documents, likewise; empty in a file of a time that knew no probes"""
    texts: Mapping[str, str] = field(default_factory=dict)
    """query id -> hash of its text, so that an id that asks something else by now is known; empty where nobody wrote it"""


Lists = dict[tuple[str, Side], Retrieved]
"""(golden set, side) -> what it retrieved"""


def packed(lists: Lists) -> bytes:
    """The file's bytes."""
    from pyarrow import parquet  # whoever loads the definitions need not wait for it

    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for (name, side), one in sorted(lists.items()):
        asked = [(query, False, documents) for query, documents in sorted(one.documents.items())]
        asked += [(query, True, documents) for query, documents in sorted(one.probes.items())]
        for query, probe, documents in asked:
            columns["golden_set"].append(name)
            columns["side"].append(side)
            columns["query_id"].append(query)
            columns["documents"].append(documents)
            columns["spans"].append(_rows(one.spans.get(query, ()) if not probe else ()))
            columns["wanted"].append(_rows(one.wanted.get(query, ()) if not probe else ()))
            columns["text"].append(None if probe else one.texts.get(query))
            columns["probe"].append(probe)
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns, schema=_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def unpacked(data: bytes) -> Lists:
    """What a file's bytes hold; they are known to be the ones that were written."""

    lists: Lists = {}
    for (name, side), every in rows_of(data).group_by("golden_set", "side"):
        probes = every.filter(pl.col("probe")) if "probe" in every.columns else every.clear()
        rows = every.filter(~pl.col("probe")) if "probe" in every.columns else every
        queries = rows["query_id"].to_list()
        lists[str(name), "candidate" if side == "candidate" else "production"] = Retrieved(
            documents=dict(zip(queries, rows["documents"].to_list(), strict=True)),
            spans=_by_query(queries, rows["spans"]),
            wanted=_by_query(queries, rows["wanted"]),
            probes=dict(zip(probes["query_id"].to_list(), probes["documents"].to_list(), strict=True)),
            texts={query: text for query, text in _texts(rows) if text is not None},
        )
    return lists


def _texts(rows: pl.DataFrame) -> list[tuple[str, str | None]]:
    return rows.select("query_id", "text").rows() if "text" in rows.columns else []


def text_hash(text: str) -> str:
    """Hash of what a query asks, as a file keeps it."""
    return fingerprint(text, length=16)


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _rows(spans: Iterable[Span]) -> list[dict[str, str | int]]:
    return [{"document": document, "start": start, "end": end} for document, start, end in spans]


def _by_query(queries: list[str], column: pl.Series) -> dict[str, list[Span]]:
    if not column.list.len().sum():
        return {}
    return {
        query: [(one["document"], one["start"], one["end"]) for one in spans]
        for query, spans in zip(queries, column.to_list(), strict=True)
    }
