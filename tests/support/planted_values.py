"""Private values that are put into a feed, and all texts that may show them afterwards."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PLANTED = {
    "EMAIL_ADDRESS": ["berta.planted@mail-house.org", "x.y+tag@planted.co.uk"],
    "PHONE_NUMBER": ["+49 30 901820345", "+1 202-456-1414"],
    "IBAN_CODE": ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32"],
    "CREDIT_CARD": ["4111 1111 1111 1111", "5500005555555559"],
    "US_SSN": ["536-90-4399"],
    "PL_PESEL": ["44051401359"],
    "ES_NIF": ["12345678Z"],
}


SENTENCE = "Roses want water in the morning. Write to {} about it, and prune them in March before the buds open."


def texts_of(path: Path) -> Iterator[str]:
    """The names and everything that can be read in a file: its bytes, and, unpacked, Parquet, SQLite and segments."""
    yield str(path)
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    if content[:4] == b"PAR1":
        for name in (table := pq.read_table(path)).column_names:
            yield json.dumps(table[name].to_pylist(), default=str, ensure_ascii=False)
    if ".arrow" in path.suffixes:
        yield json.dumps(pa.ipc.open_stream(content).read_all().to_pylist(), default=str, ensure_ascii=False)
    if content[:15] == b"SQLite format 3":
        with closing(sqlite3.connect(path)) as opened:
            for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                with suppress(sqlite3.DatabaseError):
                    for values in opened.execute(f'SELECT * FROM "{name}"'):
                        yield " ".join(
                            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values
                        )
