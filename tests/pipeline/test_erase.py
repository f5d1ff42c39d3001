"""A person asks for erasure, as the runbook says it: through the graph, the gate and the collection."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.defs.run import Ran, collect
from rag_pipeline.files import fingerprint
from rag_pipeline.index.base import ERASED
from rag_pipeline.index.manifest import read_manifest
from tests.conftest import Workspace
from tests.pipeline.conftest import PAGES
from tests.support.command_line import as_json, rag
from tests.support.residue import Needles, residue

SECRET = "Qxvrkzw moved to the third house on the left."


@pytest.mark.slow
def test_what_a_person_asked_to_erase_is_gone_from_what_serves_and_with_the_collection_from_everywhere(
    handbook: Workspace, run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = handbook.home
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(handbook.settings, name)))
    handbook.pages(PAGES | {"berta.md": SECRET})
    assert run().success
    stored = vectors_table(home).scan().filter(pl.col("text_hash") == fingerprint(SECRET)).collect()["vector"]
    needles = Needles([SECRET], ["Qxvrkzw"], np.array(stored.to_list()))
    (handbook.root / "pages" / "berta.md").unlink()
    assert run().success
    before = serving(home)
    assert before and read_manifest(home.release(before)).origin.base
    assert {one.how for one in residue(home.release(before), needles)} == {"vector", "term"}

    code, out, err = rag(monkeypatch, capsys, "erase", "handbook/berta.md", "--json")
    assert (code, as_json(out)["still_stored"]) == (0, []), err
    assert run().success
    now = serving(home)
    assert now and now != before, "the same content, built anew and promoted"
    assert read_manifest(home.release(now)).origin.rebuilt_because == ERASED
    assert residue(home.release(now), needles) == []

    handbook.pages({"new.md": "# New\n\nOne more page about the garden.\n"})
    assert run().success
    for _ in range(2):  # the first makes versions without its vectors, the second removes the versions before
        collect(handbook.settings.model_copy(update={"keep_releases": 1, "keep_days": 0}), dry_run=False)
    assert residue(home.root, needles) == []
    code, out, _ = rag(monkeypatch, capsys, "status", "--json")
    assert (code, as_json(out)["may_hold_erased"]) == (0, [])
