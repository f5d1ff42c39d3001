"""A first build end to end against a plain script: `encode` with its defaults on the same chunks, added to Chroma.

The pipeline reads, holds contracts, cuts, embeds, builds, proves, evaluates and promotes, in a fresh RAG_HOME, its graph
exported anew; the script finds its texts ready in one file. Each is a process of its own, Python's start included, in turns:

    .venv/bin/python -m benchmarks.first_build --ways torch/fp32 openvino/fp32 openvino/int8 --repeats 5

Run it alone on a quiet machine. `--contracts` and `--evals` name another pipeline than the bundled one; `--only SOURCE`
keeps one source of it, which is shorter.
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
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.home import Home
from rag_pipeline.process import prepare
from rag_pipeline.settings import PROJECT, load_settings

PLAIN = """
import json, sys, time
import polars as pl
started = time.perf_counter()
import chromadb
from chromadb.config import Settings
from sentence_transformers import SentenceTransformer
model_folder, chunks, folder, out = sys.argv[1:]
rows = pl.read_parquet(chunks)
texts, ids = rows["text"].to_list(), rows["chunk_id"].to_list()
vectors = SentenceTransformer(model_folder, device="cpu").encode(texts)
encoded = time.perf_counter()
collection = chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False)).create_collection("chunks")
for start in range(0, len(ids), 5_000):
    part = slice(start, start + 5_000)
    collection.add(ids=ids[part], embeddings=vectors[part], documents=texts[part])
added = time.perf_counter()
rows.select("text_hash").with_columns(vector=vectors).write_parquet(out)
print(json.dumps({"encode_s": encoded - started, "add_s": added - encoded}))
"""


def refresh(home: Home, way: str, contracts: Path, evals: Path) -> dict[str, float]:
    """A whole first refresh, in a fresh home."""
    backend, precision = way.split("/")
    environment = {
        **os.environ,
        "RAG_HOME": str(home),
        "DAGSTER_HOME": str(home.dagster),
        "RAG_CONTRACTS": str(contracts),
        "RAG_EVALS": str(evals),
        "RAG_EMBED_BACKEND": backend,
        "RAG_EMBED_PRECISION": precision,
    }
    started = time.perf_counter()
    command = [sys.executable, "-c", "from rag_pipeline.cli import main; main()", "refresh", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{way}: the refresh failed\n{done.stderr[-3_000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["promoted"], said["says"]
    return {"wall_s": wall, "chunks": said["chunks"], "embedded": said["texts_embedded"]}


def plain(model: Path, chunks: Path, folder: Path) -> dict[str, float]:
    """The script, in a process of its own."""
    started = time.perf_counter()
    arguments = [str(model), str(chunks), str(folder / "chroma"), str(folder / "vectors.parquet")]
    done = subprocess.run([sys.executable, "-c", PLAIN, *arguments], capture_output=True, text=True, check=True)
    return {"wall_s": time.perf_counter() - started, **json.loads(done.stdout.splitlines()[-1])}


def cosine(home: Home, folder: Path) -> tuple[float, float]:
    """Mean and least cosine between the pipeline's vectors and the script's, text by text."""
    ours = vectors_table(home).scan().select("text_hash", "vector").collect()
    both = pl.read_parquet(folder / "vectors.parquet").unique("text_hash").join(ours, on="text_hash", suffix="_ours")
    assert both.height == ours.height
    one, other = (np.stack(both[name].to_list()).astype(np.float64) for name in ("vector", "vector_ours"))
    near = np.sum(one * other, axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    return float(near.mean()), float(near.min())


def chosen(contracts: Path, only: str | None, evals: Path, folder: Path) -> tuple[Path, Path]:
    """The contracts and golden sets to build with; copies with one source alone where that is asked for."""
    if only is None:
        return contracts, evals
    shutil.copytree(evals, folder / "evals")
    (folder / "contracts").mkdir()
    for path in contracts.glob("*.odcs.yaml"):
        if path.name.split(".")[0] == only:
            text = yaml.safe_load(path.read_text(encoding="utf-8"))
            for server in text["servers"]:
                if server.get("path") and not Path(server["path"]).is_absolute():
                    server["path"] = str((path.parent / server["path"]).resolve())
            (folder / "contracts" / path.name).write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    return folder / "contracts", folder / "evals"


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", default=["torch/fp32"], metavar="BACKEND/PRECISION")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--contracts", type=Path, default=PROJECT / "contracts")
    parser.add_argument("--evals", type=Path, default=PROJECT / "evals")
    parser.add_argument("--only", help="this source alone")
    arguments = parser.parse_args()
    from rag_pipeline.corpus.model import model_of

    model = model_of(load_settings()).folder
    ratios: dict[str, list[float]] = {way: [] for way in arguments.ways}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        contracts, evals = chosen(arguments.contracts, arguments.only, arguments.evals, root)
        for number in range(1, arguments.repeats + 1):
            homes = {}
            found = {}
            turn = number % len(arguments.ways)
            for way in arguments.ways[turn:] + arguments.ways[:turn]:
                homes[way] = Home(root / f"{number}-{way.replace('/', '-')}")
                found[way] = refresh(homes[way], way, contracts, evals)
            chunks = root / "chunks.parquet"
            chunks_table(homes[arguments.ways[0]]).scan().select("chunk_id", "text", "text_hash").collect().write_parquet(
                chunks
            )
            folder = root / f"{number}-plain"
            folder.mkdir()
            script = plain(model, chunks, folder)
            print(
                f"{number}: plain script {script['wall_s']:.1f} s "
                f"(encode {script['encode_s']:.1f}, add {script['add_s']:.1f})",
                flush=True,
            )
            for way in arguments.ways:
                mean, least = cosine(homes[way], folder)
                ratios[way].append(found[way]["wall_s"] / script["wall_s"])
                print(
                    f"   {way:<22}{found[way]['wall_s']:7.1f} s  ratio {ratios[way][-1]:.3f}  "
                    f"{1 / ratios[way][-1]:.2f} times  {found[way]['chunks']:.0f} chunks, "
                    f"{found[way]['embedded']:.0f} embedded  cosine {mean:.6f}, least {least:.6f}",
                    flush=True,
                )
                shutil.rmtree(homes[way].root)
            shutil.rmtree(folder)
    for way, values in ratios.items():
        middle = statistics.median(values)
        print(
            f"{way}: {middle:.3f} of the plain script's wall time, {1 / middle:.2f} times as fast (median of {len(values)})"
        )


if __name__ == "__main__":
    main()
