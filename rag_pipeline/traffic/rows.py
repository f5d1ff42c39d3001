"""What is kept of a question and of a verdict on an answer. Names are those of OpenSearch's UBI 1.3 where it has one.

Never kept, anywhere: a key, an address of the network, the text as it was asked, the text of an answer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa

from rag_pipeline.home import Home
from rag_pipeline.lake import Table

Kind = Literal["queries", "feedback", "pairs"]

Arm = Literal["stable", "canary"]
"""Which of two releases answers somebody: the one most get, or the one that is tried on a part of the traffic."""

_TIME = pa.timestamp("us", "UTC")

_QUERY = {
    "query_id": (pa.string(), "Id of the question, as its answer has it (UBI)"),
    "timestamp": (_TIME, "When it was asked (UBI)"),
    "client_id": (pa.string(), "HMAC of who asked (UBI); null once the text is past its days"),
    "user_query": (pa.string(), "The question, private values masked (UBI); null where the text is not kept"),
    "query_hmac": (pa.string(), "HMAC of the question: the same for the same question; null once past its days"),
    "query_response_hit_ids": (pa.list_(pa.string()), "Ids of the chunks in the answer, best first (UBI)"),
    "scores": (pa.list_(pa.float32()), "Their scores, comparable within one answer only"),
    "channel": (pa.string(), "The channel whose release answered"),
    "arm": (pa.string(), "`canary` where the split of traffic chose it, else `stable`"),
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
    "generator": (pa.string(), "Who wrote the sentences: a language model by its name, or `extractive`; null for a search"),
    "prompt": (pa.string(), "Name and hash of its prompt, where a language model wrote"),
    "sentences": (pa.int16(), "How many the answer has, 0 where no passage supports one; null for a search"),
    "tokens_in": (pa.int32(), "Tokens that language models read for it"),
    "tokens_out": (pa.int32(), "Tokens that they wrote, also those nobody may see"),
    "usd": (pa.float64(), "Dollars that it cost"),
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
_PAIR = {
    "pair_id": (pa.string(), "Id of the question, as its answer has it"),
    "timestamp": (_TIME, "When it was asked"),
    "client_id": (pa.string(), "HMAC of who asked; null once the text is past its days"),
    "user_query": (pa.string(), "The question, private values masked; null where the text is not kept"),
    "query_hmac": (pa.string(), "HMAC of the question: the same for the same question; null once past its days"),
    "channel": (pa.string(), "The channel whose release answered"),
    "release": (pa.string(), "The release that answered"),
    "shadow_channel": (pa.string(), "The channel whose release was asked the same afterwards, for nobody"),
    "shadow_release": (pa.string(), "That release"),
    "query_response_hit_ids": (pa.list_(pa.string()), "Ids of the chunks in the answer, best first"),
    "shadow_hit_ids": (pa.list_(pa.string()), "Ids of the chunks that the other release gave, best first"),
    "reads": (pa.list_(pa.string()), "What the principal may read, in order"),
    "k": (pa.int16(), "How many chunks were asked for"),
    "mode": (pa.string(), "The way both were retrieved"),
    "lost_before": (pa.int32(), "Rows of this replica that were lost since its segment before: on the first row of one"),
    "mark": (pa.string(), "HMAC of what the row says of both answers"),
}
_DAY = "Day of the timestamp, UTC; what `queries` and `pairs` are partitioned by"

SCHEMAS: Mapping[Kind, pa.Schema] = {
    "queries": pa.schema([(name, kind) for name, (kind, _) in _QUERY.items()]),
    "feedback": pa.schema([(name, kind) for name, (kind, _) in _FEEDBACK.items()]),
    "pairs": pa.schema([(name, kind) for name, (kind, _) in _PAIR.items()]),
}
"""The columns of segments. The tables have `day` beside them."""

COLUMNS: Mapping[Kind, Mapping[str, str]] = {
    "queries": {name: says for name, (_, says) in _QUERY.items()} | {"day": _DAY},
    "feedback": {name: says for name, (_, says) in _FEEDBACK.items()} | {"day": _DAY},
    "pairs": {name: says for name, (_, says) in _PAIR.items()} | {"day": _DAY},
}
"""Column -> what it holds, for the UI."""

KEY: Mapping[Kind, str] = {"queries": "query_id", "feedback": "feedback_id", "pairs": "pair_id"}
"""The column that is unique in a table."""

PRIVATE: Mapping[Kind, tuple[str, ...]] = {
    "queries": ("client_id", "user_query", "query_hmac"),
    "feedback": ("client_id", "message"),
    "pairs": ("client_id", "user_query", "query_hmac"),
}
"""Columns that are emptied once a row is past its days."""


MARKED: Mapping[Kind, tuple[str, ...]] = {
    "queries": (
        *("query_id", "timestamp", "client_id", "query_hmac", "query_response_hit_ids", "channel", "release", "mode"),
        *("degraded", "reads", "k", "narrowed", "status", "problem", "total_ms"),
    ),
    "pairs": (
        *("pair_id", "timestamp", "client_id", "query_hmac", "channel", "release", "shadow_channel", "shadow_release"),
        *("query_response_hit_ids", "shadow_hit_ids", "reads", "k", "mode"),
    ),
}
"""What the mark of a row is made of. A name that is added here makes earlier rows look edited."""


def table(home: Home, kind: Kind) -> Table:
    """A row a question, the newest verdict on one, or a pair. What is lost of it comes from nowhere again."""
    schema = SCHEMAS[kind].append(pa.field("day", pa.string()))
    days = () if kind == "feedback" else ("day",)
    return Table(lake_of(home) / kind, schema, partition_by=days, derived=False)


def rows(home: Home, kind: Kind) -> pl.LazyFrame:
    """The table with every column of today: null where an older pipeline wrote none; who was asked before there were arms is
    of the stable one."""
    told = table(home, kind).scan()
    stored = told.collect_schema().names()
    types = pl.DataFrame(SCHEMAS[kind].empty_table()).schema
    whole = told.with_columns(pl.lit(None, held).alias(name) for name, held in types.items() if name not in stored)
    return whole.with_columns(pl.col("arm").fill_null("stable")) if kind == "queries" else whole


def lake_of(home: Home) -> Path:
    """The folder of the tables of traffic."""
    return home.lake / home.traffic.name
