"""Real documents with real judged queries: two contracts, two golden folders, no code. Slow, and only where the data is."""

import shutil

import pytest

from rag_pipeline.defs.run import refresh
from tests.conftest import SHARED, Workspace, column, files_contract, table_contract

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data at {SHARED}"),
    pytest.mark.timeout(3000),
]


def test_a_handbook_and_a_table_run_to_a_verdict(workspace: Workspace) -> None:
    workspace.contract("gitlab_handbook", files_contract(SHARED / "gitlab-handbook/content", id="gitlab"))
    workspace.contract("squad_dev", squad())
    for name, folder, split in (
        ("gitlab_handbook", SHARED / "gitlab-handbook/golden", "test"),
        ("squad_dev", SHARED / "squad-dev", "dev"),
    ):
        golden = workspace.golden(name, {}, source=name, split=split)
        shutil.copy(folder / "queries.jsonl", golden / "queries.jsonl")
        shutil.copy(folder / "qrels" / f"{split}.tsv", golden / "qrels" / f"{split}.tsv")
    workspace.policy({"gitlab_handbook": {"floors": {"nDCG@10": 0.7}}, "squad_dev": {"floors": {"nDCG@10": 0.7}}})
    ran = refresh(workspace.settings)
    assert ran.success, ran.errors
    assert ran.assets["gitlab_handbook/documents"]["documents"] == 50
    assert ran.assets["squad_dev/documents"]["documents"] == 2067
    assert ran.assets["index/evaluation"]["verdict"] == "passed"


def squad() -> dict[str, object]:
    contract = table_contract(SHARED / "squad-dev/corpus.jsonl", "jsonl")
    contract["schema"][0]["properties"] = [
        column("_id", role="key", required=True, primaryKey=True),
        column("text", role="text", required=True),
        column("title", role="title"),
    ]
    return contract
