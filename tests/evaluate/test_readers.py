"""Golden sets that stand for readers: answered from what these may read, and told of where nobody stands for some."""

import pytest
import yaml

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.evaluate import Evaluation, evaluate_release
from rag_pipeline.evaluate.readers import unmeasured_scopes
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home_mark import claim_home
from rag_pipeline.index.manifest import MODES
from rag_pipeline.serve.replica import Replica
from tests.conftest import Workspace
from tests.support.labelled import Page, labelled_release
from tests.support.small_releases import NOW, SmallModel

PAGES: dict[str, Page] = {
    "cats.md": ("# Cats\n\nCats purr, and cats sleep.", None),
    "pay.md": ("# Pay\n\nSalaries of cats rise in May.", "hr"),
    "plan.md": ("# Plan\n\nWe buy the dogs next year.", "board"),
}
JUDGED = {"cats and salaries": ["closed/pay.md", "open/cats.md"]}


def labels(workspace: Workspace, name: str, *said: str) -> None:
    file = workspace.settings.evals / name / "golden.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"labels": list(said)}))


def test_a_golden_set_is_answered_as_its_readers_are(workspace: Workspace) -> None:
    claim_home(workspace.settings)
    manifest = labelled_release(workspace.home, PAGES)
    for name in ("everybody", "people", "outside"):
        workspace.golden(name, JUDGED)
    labels(workspace, "people", "HR", "public")
    labels(workspace, "outside", "public")
    sets = read_golden_sets(workspace.settings.evals)
    fields = {"model": SmallModel(), "policies": {"production": "policy"}, "run_id": "run", "now": NOW}
    found = evaluate_release(Evaluation(workspace.home, sets, **fields), manifest.id, None).golden_sets  # type: ignore[arg-type]
    assert [found[name].labels for name in ("everybody", "people", "outside")] == [[], ["hr", "public"], ["public"]]
    for mode in MODES:
        recall = {name: found[name].modes[mode]["recall@10"] for name in found}
        assert recall == {"everybody": 1.0, "people": 1.0, "outside": 0.5}, mode
    assert unmeasured_scopes(manifest, sets) == ("board",)

    replica = Replica(workspace.settings, ())
    told = {
        reads: {one.golden_set for one in replica.measured(manifest, "lexical", "dense", frozenset(reads))}
        for reads in (("public",), ("public", "hr"), ("all",))
    }
    everything = {"everybody", "people", "outside"}
    assert told == {("public",): {"outside"}, ("public", "hr"): {"people", "outside"}, ("all",): everything}


def test_a_label_that_is_none_is_named_with_its_line(workspace: Workspace) -> None:
    workspace.golden("people", JUDGED)
    labels(workspace, "people", "hr", "*")
    with pytest.raises(GoldenSetError, match=r"golden\.yaml:\d+: '\*' is no label; write labels as the rows have them"):
        read_golden_sets(workspace.settings.evals)
