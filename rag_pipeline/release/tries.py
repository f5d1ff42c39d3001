"""What tries leave: their workshop, which holds texts while one is at work and vectors afterwards, and what came of them.

A try that was killed leaves all of it. Nothing is removed while one is at work.
"""

import shutil

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.index.views import sweep
from rag_pipeline.ours import HALF_RELEASE, RELEASE, TRIED, TRY_REPORT, found, remove
from rag_pipeline.release.clear_out import clear_out

_KEPT = 50
"""Results of tries that a collection keeps, the newest."""


def empty_workshop(work: Home) -> None:
    """Remove the documents, chunks and releases of a try. Vectors stay for the next one. For who holds the lock of tries."""
    if not work.mark.is_file():
        return
    for path in found(work.releases, RELEASE, HALF_RELEASE):
        remove(path, RELEASE, HALF_RELEASE)
    for folder in (work.documents, work.loads, work.erased, work.chunks):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
    sweep(work.views)
    work.chosen_retrieval.unlink(missing_ok=True)


def sweep_tries(home: Home, *, dry_run: bool) -> list[str]:
    """Remove the workshop, with the vectors that are kept there, and old results; names below the home."""
    if not home.tries.is_dir():
        return []
    ids = sorted((path.stem for path in found(home.tries, TRIED)), reverse=True)[_KEPT:]
    old = [path for one in ids for path in (home.attempted(one), home.try_report(one)) if path.is_file()]
    gone = [home.name_of(path) for path in old]
    for path in old if not dry_run else ():
        remove(path, TRIED, TRY_REPORT)
    try:
        with home.exclusive("tries", wait_s=0):
            if home.workshop.mark.is_file():
                gone.append(home.name_of(home.workshop.root))
                if not dry_run:
                    empty_workshop(home.workshop)
                    clear_out(home.workshop)
    except PipelineError:  # one is at work
        return gone
    return gone
