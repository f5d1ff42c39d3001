"""`make clean`: everything the pipeline made below a home, and nothing else.

python -m rag_pipeline.release.clear_out FOLDER
"""

import re
import shutil
import sys
from pathlib import Path

from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evidence_store import strays
from rag_pipeline.home import MARK, no_home_says
from rag_pipeline.index.views import sweep
from rag_pipeline.ingest.staged import FILES
from rag_pipeline.lake import all_tables, tables_aside
from rag_pipeline.ours import EXPORT, HALF_EXPORT, HALF_RELEASE, RELEASE, REPORT, SCRATCH, found, remove, remove_files
from rag_pipeline.settings import Settings
from rag_pipeline.terminal import complain, warn

_KINDS = {"releases": (RELEASE, HALF_RELEASE), "models": (EXPORT, HALF_EXPORT), "reports": (REPORT,)}
_FILES = ("candidate.json", "retrieval.json", "alerts.json", "clock.json", MARK)


def clear_out(home: Path) -> list[str]:
    """Remove what the pipeline made; names of what is left, because somebody else put it there.

    Raises `PipelineError` when the folder is no pipeline's home.
    """
    settings = Settings(home=home)
    if not home.exists():
        return []
    if nothing := no_home_says(settings):
        raise PipelineError(nothing)
    for name, kinds in _KINDS.items():
        for path in found(home / name, *kinds):
            remove(path, *kinds)
    sweep(home / "views")
    for path in found(home / "scratch", SCRATCH):
        remove_files(path, FILES)
    for table in all_tables(home / "lake"):
        shutil.rmtree(table.path)
    for path in tables_aside(home / "lake"):
        shutil.rmtree(path)
    for folder in (home / "evidence").glob("*"):
        if re.fullmatch(r"[0-9a-f]{32}", folder.name) and not folder.is_symlink():
            strange = strays(folder)
            remove_files(folder, [path.name for path in folder.iterdir() if path.name not in strange])
    for name in ("channels", "verdicts"):
        remove_files(home / name, [path.name for path in (home / name).glob("[!.]*.json")])
    if (home / "dagster" / "dagster.yaml").is_file():
        shutil.rmtree(home / "dagster")
    for path in [*home.glob(".*.lock"), *home.glob("*/.*.lock"), *home.glob("runs/*.lock")]:
        path.unlink()
    for path in sorted(home.rglob("*"), key=lambda one: len(one.parts), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    left = sorted(path.name for path in home.iterdir() if path.name not in _FILES)
    remove_files(home, [name for name in _FILES if name != MARK or not left])
    return left


if __name__ == "__main__":
    try:
        left = clear_out(Path(sys.argv[1]).absolute())
    except PipelineError as error:
        complain(str(error))
        raise SystemExit(1) from None
    if left:
        warn(f"left, because the pipeline did not make it: {', '.join(left)}\n")
