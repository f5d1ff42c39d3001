"""The standard's public command-line tool accepts every contract in the repository.

It brings a hundred packages that nothing here needs, so it is installed apart:
`python3 -m venv /tmp/dc && /tmp/dc/bin/pip install datacontract-cli`, and `DATACONTRACT=/tmp/dc/bin/datacontract make test`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT

TOOL = os.environ.get("DATACONTRACT") or shutil.which("datacontract")


@pytest.mark.skipif(TOOL is None, reason="datacontract-cli is not installed; name the command in DATACONTRACT to run this")
@pytest.mark.parametrize("file", sorted((PROJECT / "contracts").glob("*.odcs.yaml")), ids=lambda path: path.name)
def test_the_public_tool_accepts_the_contract(file: Path) -> None:
    done = subprocess.run([str(TOOL), "lint", str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "Data contract is valid" in done.stdout
    assert "warnings" not in done.stdout
