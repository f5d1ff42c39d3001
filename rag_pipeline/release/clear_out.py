"""`make clean`: everything the pipeline made below a home, and nothing else.

python -m rag_pipeline.release.clear_out FOLDER
"""

import re
import shutil
import sys
from pathlib import Path

from rag_pipeline.corpus.engines.parts import remove_parts
from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evidence_store import strays
from rag_pipeline.home import DAGSTER_CONFIG, Home
from rag_pipeline.home_mark import no_home_says
from rag_pipeline.index.views import sweep
from rag_pipeline.ingest.staged import FILES
from rag_pipeline.lake import all_tables, tables_aside
from rag_pipeline.ours import (
    ANSWERS_REPORT,
    EXPORT,
    HALF_EXPORT,
    HALF_RELEASE,
    HALF_TRENDS,
    MARKS,
    RELEASE,
    REPORT,
    SCRATCH,
    SEGMENT,
    STANDING,
    TRENDS,
    TRIED,
    TRY_REPORT,
    found,
    remove,
    remove_files,
)
from rag_pipeline.settings import Settings
from rag_pipeline.terminal import complain, warn


def clear_out(home: Home) -> list[str]:
    """Remove what the pipeline made; names of what is left, because somebody else put it there.

    Raises `PipelineError` when the folder is no pipeline's home.
    """
    settings, root = Settings(home=home), home.root
    if not home.root.exists():
        return []
    if nothing := no_home_says(settings):
        raise PipelineError(nothing)
    if home.workshop.root.is_dir():
        clear_out(home.workshop)
    made = {
        home.releases: (RELEASE, HALF_RELEASE),
        home.models: (EXPORT, HALF_EXPORT),
        home.reports: (REPORT, TRY_REPORT, TRENDS, HALF_TRENDS, ANSWERS_REPORT),
        home.tries: (TRIED,),
        home.replicas: (STANDING,),
        home.traffic: (SEGMENT, MARKS),
    }
    for folder, kinds in made.items():
        for path in found(folder, *kinds):
            remove(path, *kinds)
    sweep(home.views)
    for path in found(home.scratch, SCRATCH):
        remove_files(path, FILES)
    remove_parts(home)
    for table in all_tables(home.lake):
        shutil.rmtree(table.path)
    for path in tables_aside(home.lake):
        shutil.rmtree(path)
    for folder in home.evidence.glob("*"):
        if re.fullmatch(r"[0-9a-f]{32}", folder.name) and not folder.is_symlink():
            strange = strays(folder)
            remove_files(folder, [path.name for path in folder.iterdir() if path.name not in strange])
    for folder in [path for path in home.answers.rglob("*") if path.is_dir() and not path.is_symlink()]:
        ours = (
            path.name for path in folder.glob("*.json") if re.fullmatch(r"[0-9a-f]{32}|\d{8}T[\d.]+-[0-9a-f]{8}", path.stem)
        )
        remove_files(folder, list(ours))
    for folder in (home.channels, home.verdicts):
        remove_files(folder, [path.name for path in folder.glob("[!.]*.json")])
    if (home.dagster / DAGSTER_CONFIG).is_file():
        shutil.rmtree(home.dagster)
    for path in [*root.glob(".*.lock"), *root.glob("*/.*.lock"), *home.runs.glob("*.lock")]:
        path.unlink()
    for path in sorted(root.rglob("*"), key=lambda one: len(one.parts), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    left = sorted(path.name for path in root.iterdir() if path not in home.files)
    remove_files(root, [path.name for path in home.files if path != home.mark or not left])
    return left


if __name__ == "__main__":
    try:
        left = clear_out(Home(Path(sys.argv[1]).absolute()))
    except PipelineError as error:
        complain(str(error))
        raise SystemExit(1) from None
    if left:
        warn(f"left, because the pipeline did not make it: {', '.join(left)}\n")
