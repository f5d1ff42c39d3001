"""A file of SQLite with rows in it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def write(file: Path, *statements: str, rows: Any = ()) -> Path:
    """Run statements, then insert rows into `articles`."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
        if rows:
            connection.executemany(f"INSERT INTO articles VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return file
