"""The garbage collector is left alone while much is imported, and is itself again afterwards."""

import gc
import os
import subprocess
import sys

import pytest

from rag_pipeline.memory import collect_less_often, importing


def test_nothing_is_collected_while_it_imports_and_all_is_as_before_when_that_fails() -> None:
    with pytest.raises(ImportError), importing("no such module"):  # noqa: PT012
        assert not gc.isenabled()
        raise ImportError("half way")
    assert gc.isenabled()
    gc.unfreeze()


def test_nothing_is_frozen_where_it_was_imported_before() -> None:
    """What a run has made meanwhile must be collected as ever."""
    frozen = gc.get_freeze_count()
    with importing("json"):
        assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_who_switched_collection_off_finds_it_off() -> None:
    gc.disable()
    try:
        with importing("no such module"):
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.mark.parametrize("module", ["rag_pipeline.definitions", "rag_pipeline.corpus.encoders.torch_encoder"])
def test_a_process_that_loads_much_does_not_search_it_again(module: str) -> None:
    loading = {
        "rag_pipeline.definitions": "",
        "rag_pipeline.corpus.encoders.torch_encoder": "from tests.corpus.small import real_model; real_model().load()",
    }[module]
    code = f"import gc, {module}; {loading}\nassert gc.isenabled(); print(gc.get_freeze_count(), len(gc.get_objects()))"
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
