"""What entry points do to a process, and that importing the library does none of it."""

import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rag_pipeline.process import QUIET, collect_less_often, import_without_gc
from rag_pipeline.settings import PROJECT

OURS = {name: value for name, value in os.environ.items() if name not in QUIET}

AS_A_LIBRARY = """
import gc, json, os, pkgutil, sys
import polars  # it sets how its own allocator works
def state():
    stand_ins = sorted(name for name, module in sys.modules.items() if module is None or type(module).__name__ == "_Empty")
    return [dict(os.environ), gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), stand_ins]
before = state()
import rag_pipeline
entry_points = {"rag_pipeline.definitions"}
imported = []
for module in pkgutil.walk_packages(rag_pipeline.__path__, "rag_pipeline."):
    if module.name not in entry_points:
        __import__(module.name)
        imported.append(module.name)
after = state()
json.dump({"imported": imported, "before": before, "after": after}, sys.stdout)
"""


def test_importing_every_module_changes_nothing_of_the_process_that_imports_it() -> None:
    done = subprocess.run([sys.executable, "-c", AS_A_LIBRARY], env=OURS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {"rag_pipeline.cli", "rag_pipeline.defs.graph", "rag_pipeline.corpus.encoders.export"} <= set(said["imported"])
    assert said["after"] == said["before"]


CHANGES = re.compile(
    r"os\.environ(\[[^\]]+\] = | \|=|\.(setdefault|update|pop|clear)\()|os\.(putenv|unsetenv)\(|del os\.environ"
    r"|sys\.modules(\[[^\]]+\] = |\.(setdefault|update|pop)\()|del sys\.modules"
    r"|gc\.(disable|enable|freeze|unfreeze|set_threshold|collect)\("
)
"""Of the environment, of modules, of the garbage collector."""


def test_one_file_alone_changes_the_process() -> None:
    library = PROJECT / "rag_pipeline"
    found = {
        path.relative_to(library).as_posix()
        for path in library.rglob("*.py")
        if CHANGES.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"process.py"}


USED_AS_A_LIBRARY = """
import gc, os, sys
from rag_pipeline.process import import_without, import_without_gc
environment = dict(os.environ)
from rag_pipeline.settings import load_settings
load_settings()
with import_without_gc("no such module"), import_without("no.such.module"):
    assert gc.isenabled() and "no.such.module" not in sys.modules
assert gc.get_freeze_count() == 0 and dict(os.environ) == environment and "openvino_telemetry" not in sys.modules
"""


def test_a_program_that_uses_the_library_keeps_its_environment_collector_and_modules() -> None:
    done = subprocess.run([sys.executable, "-c", USED_AS_A_LIBRARY], env=OURS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_project_s_env_file_may_say_otherwise_than_the_entry_points_do(tmp_path: Path) -> None:
    for folder in ("contracts", "evals"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".env").write_text("HF_HUB_OFFLINE=0\nDO_NOT_TRACK=0\n", encoding="utf-8")
    code = """
import os
from rag_pipeline.process import prepare
prepare()
from rag_pipeline.settings import load_settings
load_settings()
prepare()
print(os.environ["HF_HUB_OFFLINE"], os.environ["DO_NOT_TRACK"], os.environ["TRANSFORMERS_OFFLINE"])
"""
    environment = {**OURS, "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "0 1 1\n", done.stderr


ENTRY_POINTS = {
    "the command line": """
import sys
from rag_pipeline.cli import main
sys.argv = ["rag", "--help"]
try:
    main()
except SystemExit:
    pass
""",
    "definitions": "import rag_pipeline.definitions",
    "python -m rag_pipeline.defs.home": """
import runpy, sys
runpy.run_module("rag_pipeline.defs.home", run_name="__main__")
""",
}


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_every_entry_point_is_offline_and_quiet_unless_the_user_has_said_otherwise(
    entry: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    places = {"RAG_HOME": str(home), "DAGSTER_HOME": str(home / "dagster"), "HF_HUB_OFFLINE": "0"}
    code = f"""{ENTRY_POINTS[entry]}
import json, os
sys.stdout.write("\\n")
json.dump([dict(os.environ), sys.modules.get("openvino_telemetry", "?") is None], sys.stdout)
"""
    command = [sys.executable, "-c", f"import sys\n{code}"]
    done = subprocess.run(command, env={**OURS, **places}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    environment, silenced = json.loads(done.stdout.splitlines()[-1])
    assert {name: environment.get(name) for name in QUIET} == {**QUIET, "HF_HUB_OFFLINE": "0"}
    assert silenced


def test_nothing_is_collected_while_it_imports_and_all_is_as_before_when_that_fails() -> None:
    with pytest.raises(ImportError), import_without_gc("no such module"):  # noqa: PT012
        assert not gc.isenabled()
        raise ImportError("half way")
    assert gc.isenabled()
    gc.unfreeze()


def test_nothing_is_frozen_where_it_was_imported_before() -> None:
    """What a run has made meanwhile must be collected as ever."""
    frozen = gc.get_freeze_count()
    with import_without_gc("json"):
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_who_switched_collection_off_finds_it_off() -> None:
    gc.disable()
    try:
        with import_without_gc("no such module"):
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.mark.parametrize("module", ["rag_pipeline.definitions", "rag_pipeline.corpus.encoders.torch_encoder"])
def test_a_process_that_loads_much_does_not_search_it_again(module: str) -> None:
    loading = {
        "rag_pipeline.definitions": "",
        "rag_pipeline.corpus.encoders.torch_encoder": (
            "from tests.support.small_releases import real_model; real_model().load()"
        ),
    }[module]
    code = (
        f"from rag_pipeline.process import prepare; prepare()\nimport gc, {module}; {loading}\n"
        "assert gc.isenabled(); print(gc.get_freeze_count(), len(gc.get_objects()))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frozen, searched = map(int, done.stdout.split())
    assert frozen > 20 * searched


def test_a_command_collects_less_often_and_collects_still() -> None:
    before = gc.get_threshold()  # of a process in which a command may have run
    try:
        gc.set_threshold(700, 10, 10)
        collect_less_often()
        assert gc.isenabled() and gc.get_threshold()[0] > 700
    finally:
        gc.set_threshold(*before)


def test_status_imports_no_dagster_and_help_no_table() -> None:
    says = "import sys; print([name for name in ('dagster', 'chromadb', 'torch', 'polars') if name in sys.modules])"
    for module, held in (("rag_pipeline.cli", "[]"), ("rag_pipeline.host.status", "['polars']")):
        done = subprocess.run([sys.executable, "-c", f"import {module}; {says}"], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == held
