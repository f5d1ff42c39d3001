"""A name that Dagster can take for its own folder.

Dagster makes a URL of the folder it keeps its SQLite files in, so `%41` and `?` in its name lead elsewhere. It finds its
settings by a pattern, so below `[2024]` it does not find them, and would run two refreshes at a time. Below such a folder
it gets a link with a plain name that leads there.
"""

import os
import re
import stat
import tempfile
from pathlib import Path

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint

_HARD = re.compile(r"[*?\[\]]|%[0-9A-Fa-f]{2}")


def plain_home(home: Path) -> Path:
    """The folder itself, or the link to it. Raises `PipelineError` when no place for a link can be had."""
    if not _HARD.search(str(home)):
        return home
    for place in dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))):
        if not _HARD.search(str(place)) and os.access(place, os.W_OK | os.X_OK):
            link = _own_folder(place / f"rag-dagster-{os.getuid()}") / fingerprint(str(home), length=16)
            if not link.is_symlink() or link.readlink() != home:
                fresh = link.with_name(f".{link.name}.{os.getpid()}")
                fresh.symlink_to(home)
                fresh.replace(link)
            return link
    raise PipelineError(f"DAGSTER_HOME={home}: Dagster cannot keep its files below a folder of that name; set it elsewhere")


def _own_folder(folder: Path) -> Path:
    """A folder that is this user's alone: a link that somebody else planted would lead Dagster's files to them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PipelineError(f"{folder} is not this user's own folder; remove it, or set DAGSTER_HOME to a plain name")
    return folder
