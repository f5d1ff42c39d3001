"""Hashes of rows, taken thousands at a time."""

import hashlib

import polars as pl

_ROWS_HASHED = 65_536


class RowsFingerprint:
    """What `fingerprint_lines` gives for rows that come part by part, a line each, values parted by a blank."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, rows: pl.DataFrame) -> None:
        for part in rows.iter_slices(_ROWS_HASHED):
            lines = part.select((pl.concat_str(pl.all(), separator=" ") + "\n").str.join()).item()
            self._digest.update(lines.encode("utf-8"))

    def hex(self, length: int = 32) -> str:
        return self._digest.hexdigest()[:length]


def fingerprint_rows(rows: pl.DataFrame, length: int = 32) -> str:
    """What `fingerprint_lines` gives for the rows; without an object a row."""
    found = RowsFingerprint()
    found.add(rows)
    return found.hex(length)
