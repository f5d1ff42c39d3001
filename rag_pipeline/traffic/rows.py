"""What is kept of a question and of a verdict on an answer. Names are those of OpenSearch's UBI 1.3 where it has one.

Never kept, anywhere: a key, an address of the network, the text as it was asked, the text of an answer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import Table

Kind = Literal["queries", "feedback"]

_TIME = pa.timestamp("us", "UTC")

_QUERY = {
    "query_id": (pa.string(), "Id of the question, as its answer has it (UBI)"),
    "timestamp": (_TIME, "When it was asked (UBI)"),
    "client_id": (pa.string(), "HMAC of who asked (UBI); null once the text is past its days"),
    "user_query": (pa.string(), "The question, private values masked (UBI); null where the text is not kept"),
    "query_hmac": (pa.string(), "HMAC of the question: the same for the same question; null once past its days"),
    "query_response_hit_ids": (pa.list_(pa.string()), "Ids of the chunks in the answer, best first (UBI)"),
    "scores": (pa.list_(pa.float32()), "Their scores, comparable within one answer only"),
    "channel": (pa.string(), "The channel that answered"),
    "release": (pa.string(), "The release that answered; empty where none did"),
    "mode": (pa.string(), "The way it was retrieved"),
    "degraded": (pa.list_(pa.string()), "How the answer was not as it should be"),
    "reads": (pa.list_(pa.string()), "What the principal may read, in order"),
    "k": (pa.int16(), "How many chunks were asked for"),
    "narrowed": (pa.bool_(), "Whether only some rows were asked for"),
    "status": (pa.int16(), "Status of the answer; 499 where nobody waited for it"),
    "problem": (pa.string(), "What it came to instead of an answer; empty for an answer"),
    "total_ms": (pa.float32(), "Milliseconds until the answer was made"),
    "wait_ms": (pa.float32(), "Milliseconds of waiting for a place"),
    "embed_ms": (pa.float32(), "Milliseconds until the question had a vector"),
    "search_ms": (pa.float32(), "Milliseconds of searching"),
    "lost_before": (pa.int32(), "Rows of this replica that were lost since its segment before: on the first row of one"),
    "mark": (pa.string(), "HMAC of what the row says of the answer; null in rows of before there was one"),
}
_FEEDBACK = {
    "feedback_id": (pa.string(), "The same for the same question, chunk and principal"),
    "query_id": (pa.string(), "The question that was answered (UBI)"),
    "timestamp": (_TIME, "When the verdict came (UBI)"),
    "client_id": (pa.string(), "HMAC of who asked, and who says this (UBI); null once past its days"),
    "object_id": (pa.string(), "The chunk that is meant (UBI); empty for the answer as a whole"),
    "action_name": (pa.string(), "`useful` or `not_useful` (UBI)"),
    "reason": (pa.string(), "Why, of a few words that there are; empty where none was given"),
    "message": (pa.string(), "A comment, private values masked (UBI); null where there is none, or it is not kept"),
    "lost_before": (pa.int32(), "Rows of this replica that were lost since its segment before: on the first row of one"),
}
_DAY = "Day of the timestamp, UTC; what `queries` is partitioned by"

SCHEMAS: Mapping[Kind, pa.Schema] = {
    "queries": pa.schema([(name, kind) for name, (kind, _) in _QUERY.items()]),
    "feedback": pa.schema([(name, kind) for name, (kind, _) in _FEEDBACK.items()]),
}
"""The columns of segments. The tables have `day` beside them."""

COLUMNS: Mapping[Kind, Mapping[str, str]] = {
    "queries": {name: says for name, (_, says) in _QUERY.items()} | {"day": _DAY},
    "feedback": {name: says for name, (_, says) in _FEEDBACK.items()} | {"day": _DAY},
}
"""Column -> what it holds, for the UI."""

KEY: Mapping[Kind, str] = {"queries": "query_id", "feedback": "feedback_id"}
"""The column that is unique in a table."""

PRIVATE: Mapping[Kind, tuple[str, ...]] = {
    "queries": ("client_id", "user_query", "query_hmac"),
    "feedback": ("client_id", "message"),
}
"""Columns that are emptied once a row is past its days."""


MARKED: Mapping[Kind, tuple[str, ...]] = {
    "queries": (
        *("query_id", "timestamp", "client_id", "query_hmac", "query_response_hit_ids", "channel", "release", "mode"),
        *("degraded", "reads", "k", "narrowed", "status", "problem", "total_ms"),
    ),
}
"""What the mark of a row is made of. A name that is added here makes earlier rows look edited."""


def table(home: Home, kind: Kind) -> Table:
    """A row a question, or the newest verdict on one. What is lost of it comes from nowhere again."""
    schema = SCHEMAS[kind].append(pa.field("day", pa.string()))
    days = ("day",) if kind == "queries" else ()
    return Table(lake_of(home) / kind, schema, partition_by=days, derived=False)


def lake_of(home: Home) -> Path:
    """The folder of the tables of traffic."""
    return home.lake / home.traffic.name
