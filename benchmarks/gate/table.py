"""The rows that `benchmarks.gate_power --json FILE` wrote, as the tables of docs/evaluation.md.

`.venv/bin/python -m benchmarks.gate.table FILE…`
"""

import json
import sys
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def table(rows: list[Row]) -> str:
    """One collection: a line a candidate; in each cell the share promoted by kind of probes, bold where a promise is
    missed; one share where all are the same."""
    sizes = sorted({row["n"] for row in rows})
    kinds = list(dict.fromkeys(row["probes"] for row in rows))
    lines = [
        "| candidate | truly | " + " | ".join(map(str, sizes)) + f" | said *regressed* at {sizes[-1]} |",
        "| --- | ---: |" + " ---: |" * (len(sizes) + 1),
    ]
    for candidate in dict.fromkeys(row["candidate"] for row in rows):
        mine = {(row["n"], row["probes"]): row for row in rows if row["candidate"] == candidate}
        one = mine[sizes[-1], kinds[0]]
        told = [[_cell(mine[size, kind]) for kind in kinds] for size in sizes]
        cells = [" / ".join(shares if len(set(shares)) > 1 else shares[:1]) for shares in told]
        lines.append(f"| {candidate} | {one['change']:+.3f} | " + " | ".join(cells) + f" | {100 * one['regressed']:.0f} |")
    return "\n".join(lines)


def _cell(row: Row) -> str:
    share = f"{100 * row['passed']:.0f}"
    return f"**{share}**" if row["missed"] else share


if __name__ == "__main__":
    found: list[Row] = [row for name in sys.argv[1:] for row in json.loads(Path(name).read_text(encoding="utf-8"))]
    for corpus in dict.fromkeys(row["corpus"] for row in found):
        print(f"\n{corpus}\n\n{table([row for row in found if row['corpus'] == corpus])}")
