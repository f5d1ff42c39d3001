"""A name that is none is told before anything runs, in one sentence, with the name that was meant."""

from pathlib import Path

import pytest

from rag_pipeline.defs.ready import check_ready
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.hygiene import check_set
from rag_pipeline.release.names import check_names
from tests.conftest import Workspace, files_contract

GATE = """\
channels:
  production:
    golden_sets:
      questions:
        floors: {nDCG@10: 0.5}
        slices:
          language:
            german: {margin: 0.1}
"""


@pytest.fixture
def evals(workspace: Workspace) -> Path:
    """Evals in which every name is one."""
    workspace.contract("handbook", files_contract(workspace.pages({"leave.md": "# Leave\n\nThirty days.\n"})))
    judged = {f"question {number}": ["leave.md"] for number in range(12)}
    folder = workspace.golden("questions", judged, source="handbook", slices=["language"])
    queries = folder / "queries.jsonl"
    queries.write_text(queries.read_text().replace('"}', '", "metadata": {"language": "german"}}'), encoding="utf-8")
    (workspace.settings.evals / "gate.yaml").write_text(GATE, encoding="utf-8")
    return workspace.settings.evals


def changed(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def said(workspace: Workspace) -> str:
    with pytest.raises(GoldenSetError) as found:
        check_ready(workspace.settings)
    return str(found.value)


def test_names_that_are_names_are_no_trouble(workspace: Workspace, evals: Path) -> None:
    check_names(evals, workspace.settings.contracts)


def test_a_source_that_is_none_is_one_sentence(workspace: Workspace, evals: Path) -> None:
    changed(evals / "questions" / "golden.yaml", "source: handbook", "source: handbok")
    file = evals / "questions" / "golden.yaml"
    line = file.read_text().splitlines().index("source: handbok") + 1
    assert said(workspace) == f"{file}:{line}: source: no contract is called 'handbok'; did you mean 'handbook'?"
    checked = check_set(evals / "questions", workspace.home, ["handbook"])
    errors = [one for one in checked.findings if one.level == "error"]
    assert [one.kind for one in errors] == ["unknown_source"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("questions:", "question:", "gate.yaml:4: channels.production.golden_sets.question: no golden set of this name"),
        ("questions:", "question:", "did you mean 'questions'?"),
        ("questions:", "xyz:", "there are: questions"),
        (
            "language:",
            "langauge:",
            "gate.yaml:7: channels.production.golden_sets.questions.slices.langauge: ",
        ),
        ("language:", "langauge:", "did you mean 'language'?"),
        ("german:", "germane:", "no query of questions has this value in its metadata; did you mean 'german'?"),
        ("nDCG@10", "NDGC@10", "did you mean nDCG@10?"),
        ("nDCG@10", "ndcg@5", "did you mean nDCG@5?"),
        ("nDCG@10", "recal@0", "did you mean recall@10?"),
        ("nDCG@10", "F1", "unknown metric 'F1'; write one of nDCG"),
    ],
)
def test_what_the_gate_names_and_nobody_has(workspace: Workspace, evals: Path, old: str, new: str, says: str) -> None:
    changed(evals / "gate.yaml", old, new)
    assert says in said(workspace)


def test_all_of_them_are_told_at_once(workspace: Workspace, evals: Path) -> None:
    changed(evals / "questions" / "golden.yaml", "source: handbook", "source: handbok")
    changed(evals / "gate.yaml", "german:", "germane:")
    assert len(said(workspace).splitlines()) == 2


def test_what_is_not_there_at_all_is_left_to_the_gate(workspace: Workspace, tmp_path: Path) -> None:
    check_names(tmp_path / "nothing", tmp_path)
    workspace.policy({"questions": {}})
    (workspace.settings.evals / "gate.yaml").unlink()
    check_names(workspace.settings.evals, tmp_path)
