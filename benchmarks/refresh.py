"""First refresh against unchanged refresh on the bundled sources: time by stage, CPU time, peak memory, texts embedded.

Run it alone on a quiet machine: `.venv/bin/python benchmarks/refresh.py`. It uses a temporary RAG_HOME.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rag_pipeline.home import Home

REFRESH = """
import json, resource, sys
sys.argv = ["rag", "refresh", "--json"]
from rag_pipeline.cli import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"peak_mb": used.ru_maxrss / 1024, "cpu_s": used.ru_utime + used.ru_stime}))
"""


def refresh(home: Home) -> dict[str, Any]:
    """One refresh in a process of its own."""
    environment = {**os.environ, "RAG_HOME": str(home), "DAGSTER_HOME": str(home.dagster)}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", REFRESH], env=environment, capture_output=True, text=True, check=True)
    summary, used = (json.loads(line) for line in done.stdout.splitlines())
    return {
        "wall_s": time.perf_counter() - started,
        "embedded": summary["texts_embedded"],
        "stages": summary["stages"],
        **used,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        first = refresh(Home(Path(folder)))
        again = [refresh(Home(Path(folder))) for _ in range(5)]
    rows = [("first", first), *((f"unchanged {number}", run) for number, run in enumerate(again, start=1))]
    sys.stdout.write(f"{'refresh':<14}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'embedded':>10}\n")
    for name, run in rows:
        sys.stdout.write(
            f"{name:<14}{run['wall_s']:>9.1f}{run['cpu_s']:>9.1f}{run['peak_mb']:>9.0f}{run['embedded']:>10.0f}\n"
        )
    sys.stdout.write(
        f"the first, seconds by stage: {', '.join(f'{name} {spent}' for name, spent in first['stages'].items())}\n"
    )
    median = sorted(run["wall_s"] for run in again)[2]
    sys.stdout.write(f"unchanged / first: {median / first['wall_s']:.4f} of the wall time (median of 5)\n")


if __name__ == "__main__":
    main()
