"""First build, unchanged nights, nights with 1 % changed and with 1 % deleted, each a `rag refresh` in a process of its own.

`.venv/bin/python -m benchmarks.nights --chunks 100000 --layers 1`: a made-up corpus (made_corpus.py) in a work folder. The
model is the bundled one, or its first `--layers` of six; a cheaper model makes the first build cheaper and so the
ratio of a changed night to it harder to meet. `--encoder cheap` leaves the model out, for memory at a million chunks.

CPU is user and system time, child processes included. "night" is CPU less what starting Python and importing what the
command imports took in that very process. Wall time means something on a quiet machine only.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.made_corpus import CHUNKS_A_DOCUMENT, edit_feed, model_of_layers, prepare

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Pipeline:
    """Where one pipeline of made-up pages lies, and the environment its commands run in."""

    root: Path
    model: str
    encoder: str

    @property
    def environment(self) -> dict[str, str]:
        folders = {"RAG_HOME": "home", "RAG_CONTRACTS": "contracts", "RAG_EVALS": "evals", "DAGSTER_HOME": "home/dagster"}
        paths = {name: str(self.root / folder) for name, folder in folders.items()}
        model = {"RAG_MODEL": self.model} if self.model else {}
        python = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        return {**os.environ, **paths, **model, "NIGHTS_ENCODER": self.encoder, "PYTHONPATH": python}

    def refresh(self) -> dict[str, Any]:
        """One night. Raises when it did not end in a promoted release."""
        command = [sys.executable, "-m", "benchmarks.one_night"]
        started = time.perf_counter()
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - started
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or len(lines) != 2:
            raise SystemExit(f"the night failed: {done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        summary, told = lines
        return {**told, "wall_s": wall, "embedded": summary["texts_embedded"], "chunks": summary["chunks"], **_says(summary)}


def _says(summary: dict[str, Any]) -> dict[str, Any]:
    assert summary["production"] == summary["release"], summary["says"]
    return {"built": summary["built"], "says": summary["says"]}


def show(name: str, night: dict[str, Any], *, steps: bool) -> None:
    of = night["cpu_s"] - night["imports_cpu_s"]
    sys.stdout.write(
        f"{name:<14}{night['chunks']:>10,}{night['embedded']:>10,}{night['wall_s']:>9.1f}{night['cpu_s']:>9.1f}{of:>9.1f}"
        f"{night['peak_mb']:>9.0f}\n"
    )
    for step in night["steps"] if steps else ():
        left = f"peak {step['peak_mb']:>6.0f} MB, left {step['left_mb']:>6.0f}" if "peak_mb" in step else "failed"
        sys.stdout.write(f"  {step['step']:<38}{step['wall_s']:>9.2f}{step['cpu_s']:>9.2f} CPU  {left}\n")
    sys.stdout.flush()


def definitions_s(pipeline: Pipeline, times: int) -> list[dict[str, float]]:
    """`dg list defs`, which loads the definitions in a process of its own."""
    command = [str(Path(sys.executable).with_name("dg")), "list", "defs", "--json"]
    found = []
    for _ in range(times):
        before, started = os.times(), time.perf_counter()
        subprocess.run(command, cwd=PROJECT, env=pipeline.environment, capture_output=True, check=True)
        wall, after = time.perf_counter() - started, os.times()
        cpu = after.children_user - before.children_user + after.children_system - before.children_system
        found.append({"wall_s": wall, "cpu_s": cpu})
    return found


def nights(pipeline: Pipeline, documents: int, repeats: int, *, steps: bool) -> None:
    """Every kind of night, one after the other, upon the same home."""
    head = f"{'night':<14}{'chunks':>10}{'embedded':>10}{'wall s':>9}{'CPU s':>9}{'night s':>9}{'peak MB':>9}\n"
    sys.stdout.write(head)
    first = pipeline.refresh()
    show("first build", first, steps=steps)
    per_cent, changed, unchanged = max(1, documents // 100), [], []
    for number in range(1, repeats + 1):
        edit_feed(pipeline.root, {(number + 97 * place) % documents: number for place in range(per_cent)}, set())
        changed.append(pipeline.refresh())
        show(f"1 % changed {number}", changed[-1], steps=steps)
        unchanged.append(pipeline.refresh())  # after a promotion, where more could be done again than after none
        show(f"unchanged {number}", unchanged[-1], steps=steps)
    edit_feed(pipeline.root, {}, {(50 + 97 * place) % documents for place in range(per_cent)})
    show("1 % deleted", pipeline.refresh(), steps=steps)
    for what, group in (("unchanged", unchanged), ("1 % changed", changed)):
        for field in ("wall_s", "cpu_s"):
            median = statistics.median(night[field] for night in group)
            sys.stdout.write(f"{what} / first build: {median / first[field]:.4f} of {field} (median of {repeats})\n")
    if any(night["embedded"] for night in unchanged):
        raise SystemExit("an unchanged night embedded texts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", default="", help="a folder, as RAG_MODEL takes it; empty: the bundled one")
    parser.add_argument("--layers", type=int, default=0, help="of the bundled model's six; 0: all, as it is")
    parser.add_argument("--encoder", choices=["model", "cheap"], default="model")
    parser.add_argument("--work", type=Path, help="keep everything here; a folder that is there is begun anew")
    parser.add_argument("--steps", action="store_true", help="where each night's time and memory went")
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="nights-"))
    shutil.rmtree(work, ignore_errors=True)
    model = str(model_of_layers(work / "model", arguments.layers)) if arguments.layers else arguments.model
    documents = max(1, round(arguments.chunks / CHUNKS_A_DOCUMENT))
    pipeline = Pipeline(work, model, arguments.encoder)
    try:
        prepare(work, documents)
        for run in definitions_s(pipeline, arguments.repeats):
            sys.stdout.write(f"dg list defs: {run['wall_s']:.2f} s, CPU {run['cpu_s']:.2f} s\n")
        nights(pipeline, documents, arguments.repeats, steps=arguments.steps)
    finally:
        if not arguments.work:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
