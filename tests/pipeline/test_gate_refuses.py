"""One real candidate of each kind of regression, through the real graph: a gate never seen to refuse is decoration.

A real handbook with 250 judged questions is released once; each test plants one regression in a copy of that home and
refreshes. Minutes long, and only where the data is.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import VECTORS, vectors_table
from rag_pipeline.defs.run import Ran, refresh
from rag_pipeline.settings import Settings
from tests.conftest import SHARED, Workspace, files_contract

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data at {SHARED}"),
    pytest.mark.timeout(3000),
]

GITLAB = SHARED / "gitlab-handbook"


def build(root: Path) -> Workspace:
    """The handbook as a pipeline of its own: pages that can be edited, all its questions, the gate's default demands."""
    workspace = Workspace(root)
    shutil.copytree(GITLAB / "content", root / "pages", copy_function=shutil.copyfile)
    lenient = [{"property": name, "value": 90} for name in ("quarantineMaxPercent", "volumeMaxDropPercent")]
    workspace.contract("handbook", files_contract(root / "pages", customProperties=lenient))
    golden = workspace.golden("questions", {}, source="handbook")
    shutil.copy(GITLAB / "golden/queries.jsonl", golden / "queries.jsonl")
    shutil.copy(GITLAB / "golden/qrels/test.tsv", golden / "qrels" / "test.tsv")
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    return workspace


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The handbook, released and in production."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("released")
        patch.setenv("DAGSTER_HOME", str(root / "dagster"))
        workspace = build(root)
        ran = refresh(dense(workspace))
        assert ran.success, ran.errors
        assert ran.assets["index/production"]["promoted"]
    return workspace


def dense(workspace: Workspace, **changes: object) -> Settings:
    """The workspace's settings, retrieving by meaning: a way chosen anew would find words where vectors are spoilt."""
    return workspace.settings.model_copy(update={"retrieval": "dense", **changes})


@pytest.fixture
def handbook(released: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A copy of it to break. The contract names the pages by path, so it is written again."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    for name in ("pages", "home", "evals"):
        shutil.copytree(released.root / name, tmp_path / name)
    workspace = Workspace(tmp_path)
    lenient = [{"property": name, "value": 90} for name in ("quarantineMaxPercent", "volumeMaxDropPercent")]
    workspace.contract("handbook", files_contract(tmp_path / "pages", customProperties=lenient))
    yield workspace
    shutil.rmtree(tmp_path / "home")


def refused(workspace: Workspace, settings: Settings | None = None) -> tuple[str, Ran]:
    """Refresh, and hold that a release was built, refused with a line of the policy, and that production stayed."""
    before = serving(workspace.home)
    ran = refresh(settings or dense(workspace))
    assert "index/candidate" in ran.assets, ran.errors
    assert ran.assets["index/candidate"]["release"] != before, "nothing was planted"
    failed = {one.check: one.description for one in ran.failed_checks}
    assert "candidate_meets_the_policy" in failed
    assert "gate.yaml:" in failed["candidate_meets_the_policy"]
    assert not ran.success
    assert serving(workspace.home) == before
    return str(ran.assets["index/evaluation"]["verdict"]), ran


def most_asked(workspace: Workspace) -> list[Path]:
    """Pages by how many questions they answer, most first."""
    lines = (workspace.root / "evals/questions/qrels/test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    asked = Counter(document for _, document, grade in (line.split("\t") for line in lines) if int(grade) > 0)
    return [workspace.root / "pages" / name for name, _ in asked.most_common()]


def test_an_edit_that_harms_nothing_is_promoted(handbook: Workspace) -> None:
    page = most_asked(handbook)[-1]
    page.write_text(page.read_text(encoding="utf-8") + "\n## Thanks\n\nThanks to everybody who wrote this page.\n", "utf-8")
    ran = refresh(dense(handbook))
    assert ran.success, ran.errors
    assert ran.assets["index/production"]["promoted"]


def test_missing_documents(handbook: Workspace) -> None:
    for page in most_asked(handbook)[:3]:  # of 50
        page.unlink()
    verdict, ran = refused(handbook)
    assert verdict == "regressed", "what production answers still is lost, and not left out"
    assert "count as lost answers: handbook/" in str(ran.failed_checks)


def test_a_slice_that_says_nothing_any_more(handbook: Workspace) -> None:
    for page in most_asked(handbook)[:5]:
        page.write_text("# Moved\n\nThis page has moved to the new handbook. Ask your manager for access to it.\n", "utf-8")
    assert refused(handbook)[0] == "regressed"


def test_two_documents_swapped(handbook: Workspace) -> None:
    one, other = most_asked(handbook)[:2]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert refused(handbook)[0] in ("regressed", "inconclusive")


def test_shuffled_vectors(handbook: Workspace) -> None:
    """They do not come as far as the gate: the model is held against what it gave before, as soon as it is loaded."""
    before = serving(handbook.home)
    table = vectors_table(handbook.home)
    rows = table.scan().collect()
    order = np.random.default_rng(1).permutation(rows.height)
    shuffled = rows.with_columns(rows["vector"].gather(order.tolist()), crc32=None)  # with it, the build refuses
    table.overwrite(pa.Table.from_batches(shuffled.to_arrow().cast(VECTORS).to_batches()))
    page = most_asked(handbook)[-1]  # without a change there is no new release
    page.write_text(page.read_text(encoding="utf-8") + "\n## Thanks\n\nThanks to all who wrote this page.\n", "utf-8")
    ran = refresh(dense(handbook))
    assert not ran.success
    assert "does not give the vectors of the texts embedded before any more" in ran.errors[0]
    assert serving(handbook.home) == before


def test_a_truncated_model(handbook: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "one_layer"
    shutil.copytree(model_of(handbook.settings).folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}), encoding="utf-8")
    assert refused(handbook, dense(handbook, model=str(folder)))[0] == "regressed"


def test_chunks_too_short_to_say_anything(handbook: Workspace) -> None:
    """The gate refuses it, or the proof did already: thousands of scraps are alike, and HNSW does not reach them all."""
    before = serving(handbook.home)
    ran = refresh(dense(handbook, chunk_tokens=16, chunk_min_tokens=0))
    assert not ran.success
    assert serving(handbook.home) == before
    verdict = ran.assets.get("index/evaluation", {}).get("verdict")
    assert verdict in ("regressed", "inconclusive") or "cannot be found by their own vector" in " ".join(ran.errors)


def test_the_stored_vectors_are_as_they_were_between_tests(released: Workspace) -> None:
    """Each test works on a copy: the released home is never touched."""
    stored = vectors_table(released.home).scan().select(pl.len()).collect().item()
    assert stored > 2_000
