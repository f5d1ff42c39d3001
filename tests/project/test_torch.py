"""`deploy/install_torch.sh`: the CPU build where it can be had, else the configured index; nothing where torch is there."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from rag_pipeline.settings import PROJECT

SCRIPT = PROJECT / "deploy/install_torch.sh"
PINNED = re.search(r"(?m)^torch==(.+)$", (PROJECT / "constraints.txt").read_text(encoding="utf-8"))

PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then echo "{installed}"; exit; fi
echo "$*" >> {calls}
case "$*" in *--index-url*) exit {index};; esac
"""


def calls(folder: Path, *, installed: str = "", index: int = 0, **variables: str) -> tuple[list[str], str]:
    """What the script has a Python do that only writes it down, and what it says. `index`: how pip ends with an index."""
    python, written = folder / "python", folder / "calls"
    written.touch()
    python.write_text(PYTHON.format(installed=installed, calls=written, index=index), encoding="utf-8")
    python.chmod(0o755)
    done = subprocess.run([SCRIPT, python], env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return written.read_text(encoding="utf-8").splitlines(), done.stderr


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    if os.uname().sysname != "Linux":
        pytest.skip("elsewhere PyPI's torch is the CPU build")


def test_the_cpu_build_is_taken_and_nothing_else_from_its_index(tmp_path: Path) -> None:
    assert PINNED
    (only,), says = calls(tmp_path)
    assert only.endswith(f"--no-deps --index-url https://download.pytorch.org/whl/cpu torch=={PINNED[1]}")
    assert "-c constraints.txt" in only
    assert says == ""


def test_without_its_index_torch_comes_from_the_configured_one_and_that_is_said(tmp_path: Path) -> None:
    assert PINNED
    (_, second), says = calls(tmp_path, index=1)
    assert second.endswith(f"-c constraints.txt torch=={PINNED[1]}")
    assert "cannot be had from https://download.pytorch.org/whl/cpu" in says
    assert "TORCH_INDEX" in says


@pytest.mark.parametrize(
    ("value", "found"), [("", None), ("https://mirror.example.com/cpu", "https://mirror.example.com/cpu")]
)
def test_another_index_or_none_is_named_by_a_variable(tmp_path: Path, value: str, found: str | None) -> None:
    (only,), _ = calls(tmp_path, TORCH_INDEX=value)
    assert (f"--index-url {found}" in only) if found else ("--index-url" not in only)


def test_nothing_is_done_where_the_pinned_version_is_there(tmp_path: Path) -> None:
    assert PINNED
    assert calls(tmp_path, installed=f"{PINNED[1]}+cpu") == ([], "")
