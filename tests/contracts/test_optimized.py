"""`python -O` takes asserts away; the check that no row is lost is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Workspace, files_contract

LOSES = {
    "between good and refused": """
from rag_pipeline.contracts.split import Splitter
real = Splitter._failures
Splitter._failures = lambda self, frame: real(self, frame).clear().vstack(real(self, frame).clear())
import polars as pl
scatter = pl.Series.scatter
pl.Series.scatter = lambda self, places, values: pl.Series([True] + [False] * (len(self) - 1))  # marked, with no reason
""",
    "between reading and storing": """
from rag_pipeline.ingest import stage
stage.settle_uniques = lambda staged, contract: setattr(staged, "good", staged.good - 1)
""",
}

CODE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
assert False, "this must not be reached: python -O takes asserts away"
{loses}
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
print(load_source(read_contract(Path(sys.argv[1])), Home(Path(sys.argv[2])), run_id="run", now=datetime.now(UTC)).outcome)
"""


@pytest.mark.parametrize("where", LOSES)
def test_a_row_that_is_lost_stops_the_load_however_python_is_started(workspace: Workspace, where: str) -> None:
    pages = workspace.pages({"a.md": "# A\n\npage one", "b.md": "# B\n\npage two"})
    contract = workspace.contract("handbook", files_contract(pages))
    code = CODE.replace("{loses}", LOSES[where])
    words = [sys.executable, "-O", "-c", code, str(contract), str(workspace.home)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "RuntimeError: handbook: a row was lost" in done.stderr, done.stdout + done.stderr
    assert not Path(workspace.home.documents / "handbook" / "_delta_log").exists()
