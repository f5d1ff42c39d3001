"""Loads what people drop or scaffold into this folder: after `dg scaffold defs dagster.asset my_feed.py` that is live.

Dagster's own loader reads the folder. The pipeline's modules here define functions that make definitions, and hold none
themselves, so nothing is loaded twice.
"""

import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
from dagster.components.core.decl import build_filesystem_component_decl_from_context
from dagster.components.core.defs_module import ComponentPath

from rag_pipeline import defs
from rag_pipeline.defs.graph import build
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import Settings


def live(settings: Settings) -> dg.Definitions:
    """The pipeline's graph for some settings, with all that was dropped into `defs/`."""
    return with_dropped(build(settings, live), defs)


def with_dropped(own: dg.Definitions, package: ModuleType) -> dg.Definitions:
    """Definitions, and those of the files and components in a package's folder.

    Raises `PipelineError` that names the file which cannot be loaded, or which defines again what is there already.
    """
    folder = Path(str(package.__file__)).parent
    with warnings.catch_warnings():
        for category in (dg.PreviewWarning, dg.BetaWarning):  # the loader itself calls what Dagster warns of
            warnings.simplefilter("ignore", category)
        try:
            tree = dg.ComponentTree.from_module(defs_module=package, project_root=folder.parent.parent)
            dropped = tree.build_defs(folder)
            if _is_empty(dropped):
                return own
            whole = dg.Definitions.merge(own, dropped)
            dg.Definitions.validate_loadable(whole)
        except Exception as error:  # whatever a person's file raises
            path, cause = next(_troubles(own, package, folder), (folder, error))
            raise PipelineError(
                f"{path} cannot be loaded: {_in_short(cause, path)}. Correct it, or move it out of {folder}: whatever lies "
                "there is part of the pipeline"
            ) from cause
    return whole


def _is_empty(dropped: dg.Definitions) -> bool:
    found = (dropped.assets, dropped.asset_checks, dropped.jobs, dropped.schedules, dropped.sensors, dropped.resources)
    return not any((*found, dropped.loggers, dropped.executor))


def _troubles(own: dg.Definitions, package: ModuleType, folder: Path) -> Iterator[tuple[Path, Exception]]:
    """Each entry of the folder that cannot be loaded beside those before it, and why. Dagster does not say which it is."""
    so_far = own
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")):
            continue
        try:
            tree = dg.ComponentTree.from_module(defs_module=package, project_root=folder.parent.parent)
            context = tree.decl_load_context.for_component_loc(ComponentPath.from_path(path))
            found = build_filesystem_component_decl_from_context(context)
            if found is None:
                continue
            # The entry stands for the whole folder: what it holds is looked up in it, and no other entry is read again.
            tree.state_tracker.set_cache_data(ComponentPath.from_path(folder), component_decl=found)
            so_far = dg.Definitions.merge(so_far, tree.build_defs(found.loc))
            dg.Definitions.validate_loadable(so_far)
        except Exception as error:
            yield path, error


def _in_short(error: BaseException, path: Path) -> str:
    """The innermost error in a chain of wrapped ones, with the line of the file it comes from."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {str(error).strip().rstrip('.')}{where}"
