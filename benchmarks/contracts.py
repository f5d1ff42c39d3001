"""Splitting a million rows by their contract against pandera's own lazy validation of the same frame.

Run it alone on a quiet machine: `.venv/bin/python benchmarks/contracts.py`. Both get text, as it is found in a feed, and
cast it with the same casts; then pandera validates the whole frame and only says what is wrong with it, the splitter
goes batch by batch and parts good rows from bad ones with their reasons. The second ratio is without the casts.
Each runs in a process of its own, in pairs; memory is the peak beyond what the process held before (Linux).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from pandera.errors import SchemaErrors

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.contracts.rules import typed
from rag_pipeline.contracts.split import Splitter

BATCH = 250_000
ROLES = {"id": "key", "text": "text"}
COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "logicalType": "string", "required": True, "primaryKey": True, "logicalTypeOptions": {"maxLength": 20}},
    {"name": "text", "logicalType": "string", "required": True, "logicalTypeOptions": {"minLength": 20}},
    {"name": "stars", "logicalType": "integer", "logicalTypeOptions": {"minimum": 0, "maximum": 5}},
    {"name": "price", "logicalType": "number", "logicalTypeOptions": {"exclusiveMinimum": 0}},
    {"name": "sold", "logicalType": "boolean"},
    {"name": "day", "logicalType": "date", "logicalTypeOptions": {"minimum": "2000-01-01"}},
    {"name": "changed", "logicalType": "timestamp"},
    {"name": "team", "logicalType": "string", "enum": [{"value": name} for name in ("ops", "law", "hr")]},
]
CONTRACT = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "rows",
    "version": "1.0.0",
    "status": "active",
    "team": {"name": "docs"},
    "servers": [{"server": "here", "type": "local", "format": "parquet", "path": "rows.parquet"}],
    "schema": [
        {
            "name": "rows",
            "properties": [
                column | {"customProperties": [{"property": "role", "value": ROLES[str(column["name"])]}]}
                if column["name"] in ROLES
                else column
                for column in COLUMNS
            ],
        }
    ],
}


def rows(count: int) -> pl.DataFrame:
    """Rows as found, all text, of which one in a hundred breaks a rule of one column."""
    random = np.random.default_rng(0)
    number = pl.Series(np.arange(count))
    good = pl.DataFrame(
        {
            "id": number.cast(pl.String),
            "text": "a text of some words, number " + number.cast(pl.String),
            "stars": pl.Series(random.integers(0, 6, count)).cast(pl.String),
            "price": pl.Series(random.uniform(0.01, 100, count)).round(2).cast(pl.String),
            "sold": pl.Series(random.integers(0, 2, count) == 1).cast(pl.String),
            "day": pl.Series(["2026-01-31"]).new_from_index(0, count),
            "changed": pl.Series(["2026-01-31T12:00:00Z"]).new_from_index(0, count),
            "team": pl.Series(["ops", "law", "hr"]).gather(random.integers(0, 3, count)),
        }
    )
    bad = {"text": "short", "stars": "nine", "price": "-1", "sold": "maybe", "day": "31.1.26", "changed": "?", "team": "it"}
    broken = pl.Series(random.integers(0, 100, count) == 0)
    which = pl.Series(random.integers(0, len(bad), count))
    return good.with_columns(
        pl.when(broken & (which == place)).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for place, (name, value) in enumerate(bad.items())
    )


def measure(what: str, count: int, folder: Path) -> dict[str, float]:
    """One run in this process: seconds, rows refused, peak memory in MB beyond what was used before."""
    file = folder / "rows.odcs.yaml"
    file.write_text(yaml.safe_dump(CONTRACT), encoding="utf-8")
    contract = read_contract(file)
    splitter = Splitter(contract)
    frame = pl.read_parquet(folder / f"{count}.parquet") if what == "pandera" else None
    splitter.split(rows(100))  # everything is imported and warm
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before, started, casting, refused = _peak_mb(), time.perf_counter(), 0.0, 0
    for start in range(0, count, count if frame is not None else BATCH):
        batch = frame if frame is not None else pl.scan_parquet(folder / f"{count}.parquet").slice(start, BATCH).collect()
        cast_at = time.perf_counter()
        ready = typed(batch, contract)
        casting += time.perf_counter() - cast_at
        if frame is None:
            refused += splitter.split(batch).refused.height
            continue
        try:
            splitter._schema.validate(ready, lazy=True)
        except SchemaErrors as errors:
            refused = errors.failure_cases["index"].n_unique()
    seconds = time.perf_counter() - started - (casting if frame is None else 0)  # the splitter casts itself
    return {"seconds": seconds, "casting": casting, "refused": refused, "peak_mb": _peak_mb() - before}


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run(what: str, count: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", what, "--count", str(count), "--folder", str(folder)]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one", choices=["split", "pandera"])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        sys.stdout.write(json.dumps(measure(arguments.one, arguments.count, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder, count = Path(name), arguments.count
        for size in (count, count // 4):
            rows(size).write_parquet(folder / f"{size}.parquet", row_group_size=BATCH)
        ratios = []
        for number in range(1, arguments.repeats + 1):
            split, pandera = run("split", count, folder), run("pandera", count, folder)
            assert split["refused"] == pandera["refused"], "they must agree on which rows are bad"
            alone = [one["seconds"] - one["casting"] for one in (split, pandera)]
            ratios.append((split["seconds"] / pandera["seconds"], alone[0] / alone[1]))
            sys.stdout.write(
                f"pair {number}: split {split['seconds']:.2f} s, {split['peak_mb']:.0f} MB; "
                f"pandera {pandera['seconds']:.2f} s, "
                f"{pandera['peak_mb']:.0f} MB; ratio {ratios[-1][0]:.2f}; without casts {alone[0]:.2f} s, {alone[1]:.2f} s, "
                f"ratio {ratios[-1][1]:.2f}\n"
            )
            sys.stdout.flush()
        quarter = run("split", count // 4, folder)
        sys.stdout.write(f"{count // 4:,} rows: split {quarter['seconds']:.2f} s, {quarter['peak_mb']:.0f} MB\n")
        both, alone_ratio = (statistics.median(one[place] for one in ratios) for place in (0, 1))
        told = f"split / pandera: {both:.2f}, without casts {alone_ratio:.2f}"
        sys.stdout.write(f"{count:,} rows, {split['refused']:.0f} refused, {told} (median of {arguments.repeats})\n")


if __name__ == "__main__":
    main()
