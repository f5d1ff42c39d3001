"""What it costs that no text of what was removed is left: nights with 1 % changed, with compaction and without, in turns.

`.venv/bin/python -m benchmarks.compaction --chunks 50000`: both kinds of night go on upon the same home, first one kind,
then the other, so that what else the machine does meets both. The model is left out (`--encoder cheap`) unless asked for.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.made_corpus import CHUNKS_A_DOCUMENT, edit_feed, prepare
from benchmarks.nights import Pipeline, show


@dataclass(frozen=True)
class Careless(Pipeline):
    """The same nights, leaving in the database what was removed."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "NIGHTS_RESIDUE": "kept"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--encoder", choices=["model", "cheap"], default="cheap")
    parser.add_argument("--work", type=Path, help="keep everything here; a folder that is there is gone on with")
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="compaction-"))
    documents = max(1, round(arguments.chunks / CHUNKS_A_DOCUMENT))
    kinds = {"kept": Careless(work, "", arguments.encoder), "gone": Pipeline(work, "", arguments.encoder)}
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    try:
        if not (work / "home").exists():
            prepare(work, documents)
            show("first build", kinds["gone"].refresh(), steps=True)
        for number in range(1, arguments.repeats + 1):
            for name in list(kinds)[:: 1 if number % 2 else -1]:
                step = int.from_bytes(os.urandom(2))
                edit_feed(work, {(step + 97 * place) % documents: step for place in range(documents // 100)}, set())
                night = kinds[name].refresh()
                took[name].append((night["wall_s"], night["cpu_s"]))
                show(f"{name} {number}", night, steps=number == 1)
        for place, what in enumerate(("wall", "CPU")):
            ratios = [gone[place] / kept[place] for kept, gone in zip(took["kept"], took["gone"], strict=True)]
            told = " ".join(f"{ratio:.3f}" for ratio in ratios)
            sys.stdout.write(f"{what}: gone / kept {statistics.median(ratios):.3f} (median of {told})\n")
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
