"""The small things a collection removes: copies and scratch of processes that ended, reports, old files of tables."""

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from rag_pipeline.corpus.engines.parts import remove_parts
from rag_pipeline.disk_space import storage_error
from rag_pipeline.errors import NoSpace, PipelineError
from rag_pipeline.files import close_to_others
from rag_pipeline.home import Home
from rag_pipeline.index.views import sweep
from rag_pipeline.ingest.staged import FILES
from rag_pipeline.lake import all_tables
from rag_pipeline.ours import ANSWERS_REPORT, REPORT, SCRATCH, found, remove, remove_files
from rag_pipeline.release.tries import sweep_tries
from rag_pipeline.report.answers import PREFIX

log = logging.getLogger("rag_pipeline")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Swept:
    """What goes, or would go: names below `RAG_HOME`."""

    views: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    tries: tuple[str, ...] = ()

    @property
    def told(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "views": list(self.views),
            "scratch": list(self.scratch),
            "reports": list(self.reports),
            "files": list(self.tables),
            "tries": list(self.tries),
        }


def sweep_up(home: Home, releases: Iterable[str], *, dry_run: bool) -> Swept:
    """Remove what dead readers, dead loads and tries left, and the reports of releases that went."""
    names = {f"{kind}{release}.html" for release in releases for kind in ("", PREFIX)}
    reports = [path for path in found(home.reports, REPORT, ANSWERS_REPORT) if path.name in names]
    for path in reports if not dry_run else ():
        remove(path, REPORT, ANSWERS_REPORT)
    return Swept(
        views=tuple(home.name_of(home.views / name) for name in sweep(home.views, dry_run=dry_run)),
        scratch=tuple(_scratch(home, dry_run=dry_run)),
        reports=tuple(home.name_of(path) for path in reports),
        tries=tuple(sweep_tries(home, dry_run=dry_run)),
    )


def _scratch(home: Home, *, dry_run: bool) -> list[str]:
    """Files of loads that were killed, and parts of an embedding that was. What is at work now is left alone."""
    gone: list[str] = []
    for folder in found(home.scratch, SCRATCH):
        with ExitStack() as stack:
            try:
                stack.enter_context(home.exclusive_source(folder.name, wait_s=0))
            except PipelineError:
                continue
            gone += [home.name_of(folder / name) for name in FILES if (folder / name).is_file()]
            if not dry_run:
                remove_files(folder, FILES)
    if remove_parts(home, dry_run=True):
        with suppress(PipelineError), home.exclusive_table(home.vectors, wait_s=0):
            gone += remove_parts(home, dry_run=dry_run)
    return gone


def if_there_is_space(table: str, work: Callable[[], T], otherwise: T) -> T:
    """Leaves work that must write before it can remove to the next collection if the disk is full: the rest makes room."""
    try:
        return work()
    except (NoSpace, OSError) as error:
        if not isinstance(error, NoSpace) and not storage_error(error):
            raise
        log.warning("the table %s could not be written for lack of space; the next collection tries again", table)
        return otherwise


def tidy_tables(home: Home, days: int, *, dry_run: bool) -> tuple[str, ...]:
    """Files of tables that only versions older than `days` need, by table and name."""
    gone: list[str] = []
    for table in all_tables(home.lake):
        where = home.name_of(table.path)
        tidied: list[str] = if_there_is_space(where, partial(table.tidy, days, dry_run=dry_run), [])
        gone += [f"{where}/{name}" for name in tidied]
    if home.quarantine.is_dir() and not dry_run:  # what was joined is new
        close_to_others(home.quarantine)
    return tuple(gone)
