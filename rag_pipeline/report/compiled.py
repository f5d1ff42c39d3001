"""The page's template as Python's code, kept where Python keeps that of this package's modules: making it takes .2 s.

Jinja holds a kept one against the template's text, so an edited template is made anew.
"""

import os
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket


class _Kept(FileSystemBytecodeCache):
    """One that cannot be read or written is no error: the package may be somebody else's, and the disk full."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except Exception:  # whatever a file that is cut off makes of it
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def beside_modules() -> FileSystemBytecodeCache | None:
    """Where kept code is, readable by whoever may read the modules'; None where Python is told to keep none."""
    folder = Path(cache_from_source(__file__)).parent
    if sys.dont_write_bytecode or not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return None
    return _Kept(str(folder), "page-%s.j2c")
