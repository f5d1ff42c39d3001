"""What makes a process one of this pipeline's own: offline, quiet, and spared what its imports would cost.

Entry points call `prepare` first: the command line, `definitions.py`, modules that are run with `python -m`, and the tests.
Importing any other module changes nothing of a process, so a program that uses the pipeline as a library keeps its
environment, its garbage collector and its modules. It may call `prepare` itself, before it imports anything else.
"""

import atexit
import ctypes
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Variables that switch off the telemetry of every dependency, and what they would ask a model hub."""

_TELEMETRY = "openvino_telemetry"
"""Importing OpenVINO alone would send an event home by it. A module that stands as None cannot be imported; OpenVINO and
NNCF then take the stub they carry for that case."""

_prepared = False
_by_default: set[str] = set()
"""Variables that nobody but `prepare` has set, so that a project's `.env` may still say otherwise."""


def prepare() -> None:
    """Make this process one of the pipeline's own. What the user has set already stays as it is."""
    global _prepared
    unset = [name for name in QUIET if name not in os.environ]
    os.environ.update({name: QUIET[name] for name in unset})
    _by_default.update(unset)
    sys.modules.setdefault(_TELEMETRY, cast(Any, None))
    _prepared = True


def is_prepared() -> bool:
    """Whether this process is one of the pipeline's own, so that imports may be cut short in it."""
    return _prepared


@contextmanager
def import_without_gc(module: str) -> Iterator[None]:
    """Import something large: no garbage is looked for meanwhile, nor later among what is there by then.

    Modules stay until the process ends, yet each full collection walks through all that hangs on them (with torch 700,000
    objects), the last one when the process ends. Measured: two of the eight seconds of CPU that loading torch costs, and
    .7 of the 4.3 of `dg list defs`. Does nothing where `module` is imported already: what is frozen is never searched
    for cycles again, so that is done once, early, when little else is there. Nor in a process that is not prepared.
    """
    if not _prepared or module in sys.modules:
        yield
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def add_variables(values: Mapping[str, str]) -> None:
    """Have this process, and those it starts, know what a project's `.env` says. A variable that the user has set stays."""
    wanted = {name: value for name, value in values.items() if name not in os.environ or name in _by_default}
    os.environ.update(wanted)
    _by_default.difference_update(wanted)


def forget_variables(*names: str) -> None:
    """Take variables of another project out of this process."""
    for name in names:
        os.environ.pop(name, None)


def let_dagster_live_in(home: Path) -> None:
    """Dagster knows of no other way to be told where its own state is."""
    os.environ["DAGSTER_HOME"] = str(home)


class _Empty(ModuleType):
    """Stands in for a module of which only names are imported."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@contextmanager
def import_without(*modules: str) -> Iterator[None]:
    """Import a package while some of its parts, of which it wants no more than names, are empty: they import too much.

    Does nothing in a process that is not prepared: another part of the program may want the package whole.
    """
    empty = {name: _Empty(name) for name in modules if _prepared and name not in sys.modules}
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            sys.modules.pop(name, None)


def collect_less_often() -> None:
    """For commands: Python looks for garbage every 700 new objects, which takes a fifth of the time of their imports.

    And among all that is there once more when the process ends, .3 s after a refresh; the system frees it anyway.
    """
    gc.set_threshold(50_000, 20, 20)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def take_short_turns() -> None:
    """For a server: threads hand the interpreter on five times as often as is usual.

    A thread that answers waits for it some dozens of times a question, each time for a whole turn of one that opens a
    release meanwhile.
    """
    sys.setswitchinterval(0.001)


def release_memory() -> None:
    """Collect garbage, and have the C library return what it keeps of freed memory.

    Measured: embedding leaves 230 MB of freed but kept memory behind. Does nothing where the C library is not glibc.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
