"""Torn Parquet can take the process down that reads it: whoever reads a kept release's chunks looks at their bytes first.

Polars answers zeroed pages with an error, with a panic, with an allocation of exabytes that ends the process, or with
other values than were written.
"""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.home import CHUNKS_FILE, Home
from tests.support.release_damage import writable
from tests.support.small_releases import NOW, release_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

PAGES = {f"{number}.md": f"# Page {number}\n\nwords of page {number} and more" for number in range(30)}

READERS = {
    "collecting": """
done = collect(home, keep=9, days=30, model="small", dry_run=True)
assert done.vectors == 0, f"{done.vectors} vectors would go"
""",
    "tracing": """
found = trace_chunk(Settings(home=home, contracts=home.root, evals=home.root), chunk)
assert newest in [one["release"] for one in found["releases"]], found["releases"]
""",
    "building": """
base = choose_base(home.releases, recipe().model, IndexParameters(), chunks_table(home).scan())
assert base.manifest is None or base.manifest.id == newest, base
""",
    "repairing": """
try:
    rebuild_release(home, read_manifest(release), run_id="repair", now=NOW)
except ReleaseError as error:
    assert "cannot be repaired" in str(error), error
else:
    raise AssertionError("repaired from torn chunks")
""",
}

SCRIPT = """
import sys
from pathlib import Path
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.errors import ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.base import choose_base
from rag_pipeline.index.build import rebuild_release
from rag_pipeline.index.manifest import IndexParameters, read_manifest
from rag_pipeline.release.retention import collect
from rag_pipeline.release.trace import trace_chunk
from rag_pipeline.settings import Settings
from tests.support.small_releases import NOW, recipe
home, name, newest, chunk = Home(Path(sys.argv[1])), *sys.argv[2:5]
release = home.release(name)
file = release / "chunks.parquet"
whole = file.read_bytes()
for place in range(240):
    start, width = len(whole) * place // 240, (1, 8, 64)[place % 3]
    there = whole[start : start + width]
    with_this = bytes(len(there)) if place % 2 else bytes(255 - byte for byte in there)
    if with_this == there:
        continue
    file.write_bytes(whole[:start] + with_this + whole[start + width :])
    print(f"{width} other bytes at {start} of {len(whole)}", flush=True)
    READER
print("all is well", flush=True)
"""


@pytest.mark.parametrize("what", READERS)
def test_torn_chunks_of_a_kept_release_are_never_read(home: Home, tmp_path: Path, what: str) -> None:
    torn = release_of(home, PAGES).manifest
    newest = release_of(home, {**PAGES, "new.md": "# New\n\nnewer"}, now=NOW + timedelta(days=1)).manifest
    chunk = chunks_table(home).scan().collect()["chunk_id"].sort()[0]
    writable(tmp_path / "releases" / torn.id / CHUNKS_FILE)
    script = SCRIPT.replace("READER", READERS[what].strip().replace("\n", "\n    "))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), torn.id, newest.id, chunk],
        cwd=ROOT,
        env={**os.environ, "RUST_BACKTRACE": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    last = done.stdout.splitlines()[-1] if done.stdout else "nothing"
    assert last == "all is well", f"{what} ended with {done.returncode} after {last}: {done.stderr[-600:]}"
