"""The packaged model in a folder of its own, of which a test may replace a file."""

import os
import shutil
from pathlib import Path


def copy_of_model(folder: Path, to: Path) -> Path:
    """The folder's files at `to`: shared until one is replaced, where both lie on one disk. Never write into one."""

    def share(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # another disk, or one without links
            shutil.copy2(source, target)

    shutil.copytree(folder, to, copy_function=share)
    return to
