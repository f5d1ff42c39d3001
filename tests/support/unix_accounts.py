"""Two accounts of one machine: root, which runs the pipeline in these tests, and one that may do nothing of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

import pytest

NOBODY = 65_534

needs_two_accounts = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can run a process of another account (setpriv)"
)


def as_nobody(*words: str, environment: Mapping[str, str], timeout: int = 120) -> "subprocess.CompletedProcess[str]":
    """Run Python with some words as an account that owns nothing."""
    account = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    command = [*account, sys.executable, *words]
    return subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=timeout, check=False)
