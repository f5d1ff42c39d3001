"""Rows of the log of questions as replicas write them, without a replica."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from rag_pipeline.files import private_folder
from rag_pipeline.home import Home
from rag_pipeline.lake import collected
from rag_pipeline.traffic.rows import SCHEMAS, Kind, table
from rag_pipeline.traffic.segments import write_segment

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def asked(number: int, **changes: Any) -> dict[str, Any]:
    """One question that was answered; each number another, a second after the one before."""
    at = changes.pop("timestamp", NOW + timedelta(seconds=number))
    row: dict[str, Any] = {
        "query_id": f"q_{int(at.timestamp() * 1000):012x}{number:028x}",
        "timestamp": at,
        "client_id": "c" * 16,
        "user_query": f"how do I copy folder {number}",
        "query_hmac": f"{number:032x}",
        "query_response_hit_ids": [f"{place:032x}" for place in range(number % 3)],
        "scores": [0.5] * (number % 3),
        "channel": "production",
        "arm": "stable",
        "release": "20261129-075309-69102fa0",
        "mode": "dense",
        "degraded": [],
        "reads": ["all"],
        "k": 10,
        "narrowed": False,
        "status": 200,
        "problem": "",
        "total_ms": 12.5,
        "wait_ms": 0.1,
        "embed_ms": 9.0,
        "search_ms": 3.0,
        **dict.fromkeys(("generator", "prompt", "sentences", "tokens_in", "tokens_out", "usd")),
        "lost_before": 0,
        "mark": None,
    }
    return row | changes


def written(number: int, usd: float, **changes: Any) -> dict[str, Any]:
    """The same, answered in two sentences by a language model."""
    said = {"generator": "liar-1", "prompt": "answer@1", "sentences": 2, "tokens_in": 300, "tokens_out": 50, "usd": usd}
    return asked(number, **said | changes)


def verdict(query_id: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    """One verdict on an answer as a whole."""
    row: dict[str, Any] = {
        "feedback_id": f"{query_id} of {number}",
        "query_id": query_id,
        "timestamp": NOW + timedelta(seconds=number),
        "client_id": "c" * 16,
        "object_id": "",
        "action_name": "useful",
        "reason": "",
        "message": None,
        "lost_before": 0,
    }
    return row | changes


def pair(number: int, **changes: Any) -> dict[str, Any]:
    """The question of `asked` with this number, of which the release of a channel `canary` found one chunk more."""
    one = asked(number)
    row = {name: one[name] for name in SCHEMAS["pairs"].names if name in one} | {"pair_id": one["query_id"]}
    shadow = {"shadow_channel": "canary", "shadow_release": "20261130-075309-69102fa1"}
    return row | shadow | {"shadow_hit_ids": [*row["query_response_hit_ids"], "f" * 32]} | changes


def segment(home: Home, rows: Iterable[dict[str, Any]], number: int = 1, kind: Kind = "queries") -> None:
    """As a replica writes it."""
    write_segment(private_folder(home.traffic), f"host-1-20261130-120000-{number:08d}", kind, [*rows])


def stored(home: Home, kind: Kind = "queries") -> list[dict[str, Any]]:
    """What the table holds, in the order of its ids."""
    rows = collected(table(home, kind).scan()).select(SCHEMAS[kind].names)
    return rows.sort(SCHEMAS[kind].names[0]).to_dicts()
