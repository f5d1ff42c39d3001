"""What somebody may do to the table of questions, and to evidence of traffic, who may write to RAG_HOME."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from rag_pipeline.files import write_json
from rag_pipeline.lake import collected
from rag_pipeline.traffic.evidence import TrafficEvidence
from rag_pipeline.traffic.evidence_store import files
from rag_pipeline.traffic.rows import table
from tests.support.office import Office
from tests.support.served_before import LATER, evidence, fingerprint_of, marks, row

MINUTE = timedelta(minutes=1)


def newest(office: Office, release: str) -> Path:
    return files(office.home, fingerprint_of(office, release))[-1]


def rewritten(office: Office, release: str, change: Callable[[dict[str, Any]], object], *, sealed: bool = True) -> None:
    """The newest evidence of traffic, changed, and sealed anew with the function that everybody has."""
    path = newest(office, release)
    content = json.loads(path.read_bytes())
    change(content)
    if not sealed:
        write_json(path, content)
        return
    forged = TrafficEvidence.model_validate(content).sealed()
    path.unlink()
    write_json(path.with_name(f"{path.stem[:-8]}{forged.seal[:8]}.json"), forged.model_dump(mode="json"))


def better(content: dict[str, Any]) -> None:
    content["served"] |= {"answered": 5_000, "questions": 5_000, "principals": 99}


def update(office: Office, values: dict[str, str], where: str) -> None:
    """Rows of the table of questions, changed by somebody who may write to RAG_HOME."""
    found = DeltaTable(table(office.home, "queries").path).update(updates=values, predicate=where)
    assert found["num_updated_rows"], "nothing was changed, so nothing was tried"


def delete(office: Office, where: str) -> None:
    found = DeltaTable(table(office.home, "queries").path).delete(where)
    assert found["num_deleted_rows"], "nothing was deleted, so nothing was tried"


def append(office: Office, some: list[dict[str, Any]]) -> None:
    into = table(office.home, "queries")
    days = [{**one, "day": f"{one['timestamp']:%Y-%m-%d}"} for one in some]
    into.append(pa.Table.from_pylist(days, into.schema))


def stored(office: Office, release: str) -> list[dict[str, Any]]:
    rows_of = collected(table(office.home, "queries").scan()).to_dicts()
    return [{name: value for name, value in one.items() if name != "day"} for one in rows_of if one["release"] == release]


def anew(office: Office, release: str) -> None:
    evidence(office, release, LATER + MINUTE)


def failing(office: Office, release: str, count: int, first: datetime, apart: timedelta) -> list[dict[str, Any]]:
    """Questions that failed, as a replica writes them; each of the next of six principals."""
    mine = marks(office.home)
    bad = {"release": release, "channel": "canary", "status": 500, "problem": "internal", "query_response_hit_ids": []}
    some = (row(30_000 + n, first + n * apart, client_id=f"{n % 6:016x}", **bad) for n in range(count))
    return [mine.marked("queries", one) for one in some]
