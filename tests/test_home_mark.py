"""Whose folder RAG_HOME is: the graph of a model that a program of somebody's made us keep in it is ours too."""

from pathlib import Path

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint, write_json
from rag_pipeline.home import Home
from rag_pipeline.home_mark import claim_home
from rag_pipeline.ours import EXPORT, EXPORT_FILE
from rag_pipeline.settings import Settings


def kept_graph(home: Home) -> Path:
    folder = home.models / fingerprint("a model")
    write_json(folder / EXPORT_FILE, {})
    (home.models / ".export.lock").touch()
    assert EXPORT.made(folder)
    return folder


def test_a_program_that_only_loaded_a_model_there_left_a_folder_that_becomes_a_home(home: Home) -> None:
    kept_graph(home)
    claim_home(Settings(home=home))
    assert home.mark.is_file()


@pytest.mark.parametrize("with_ours", [False, True])
def test_models_of_somebody_else_make_no_home(home: Home, *, with_ours: bool) -> None:
    (home.models / "mine").mkdir(parents=True)
    if with_ours:
        kept_graph(home)
    with pytest.raises(PipelineError, match="it holds models and no"):
        claim_home(Settings(home=home))
