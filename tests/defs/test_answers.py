"""`serving/answers` measures the answers of production, shows what went wrong by sentence, and says so in checks."""

import json

import dagster as dg
import pytest

from rag_pipeline.channels.pointer import release_in
from rag_pipeline.defs.answers import answers_asset
from rag_pipeline.evaluate.answers import AnswersOf
from rag_pipeline.golden.unanswerable import UNANSWERABLE
from rag_pipeline.home_mark import claim_home
from rag_pipeline.host.answer_figures import CHECKS

# import UNANSWERABLE
from tests.conftest import Workspace
from tests.support.replicas import PAGES, point, release_with


def test_answers_of_production_are_measured_and_what_is_wrong_is_shown(workspace: Workspace) -> None:
    claim_home(workspace.settings)
    point(workspace.home, release_with(workspace.home, PAGES))
    folder = workspace.golden(
        "questions", {"who has paid holiday": ["handbook/leave.md"], "zzz qqq": ["handbook/travel.md"]}
    )
    texts = ["who won the tennis cup", *(f"are flights approved on Mars{'?' * number}" for number in range(6))]
    lines = [{"_id": f"u{number}", "text": text} for number, text in enumerate(texts)]
    (folder / UNANSWERABLE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = dg.materialize([answers_asset(workspace.settings)], instance=dg.DagsterInstance.ephemeral())
    [made] = ran.asset_materializations_for_node("serving__answers")
    checks = {one.check_name: one for one in ran.get_asset_check_evaluations()}
    quotes, refusals, time = (checks[name] for name in CHECKS)
    assert time.metadata["questions p95_ms limit"].value == 400.0
    assert made.metadata["questions usd"].value == 0.0 and made.metadata["release_before"].value == "none"
    page = workspace.home.report(release_in(workspace.home, "production"), "answers-")
    assert made.metadata["report_path"].value == str(page) and "zzz qqq" in page.read_text()
    assert quotes.passed and quotes.severity == dg.AssetCheckSeverity.ERROR
    [row] = [one.data for one in made.metadata["figures"].value.records]  # type: ignore[union-attr]
    assert row["citations"] == row["valid_citations"]
    assert not refusals.passed and refusals.severity == dg.AssetCheckSeverity.WARN
    assert "rag golden answers --keep" in str(refusals.description)
    wrong = [one.data for one in made.metadata["wrong"].value.records]  # type: ignore[union-attr]
    kinds = {one["question"]: one["what is wrong"] for one in wrong}
    assert kinds == {
        "zzz qqq": "refused, though its passage was retrieved",
        **dict.fromkeys(texts[1:], "answered, though nothing answers it"),
    }
    assert any(one["sentence"] == "Flights need approval." for one in wrong)


def test_without_a_release_there_is_nothing_to_measure(workspace: Workspace) -> None:
    claim_home(workspace.settings)
    ran = dg.materialize([answers_asset(workspace.settings)], instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)
    assert not ran.success


def test_a_quote_that_does_not_stand_is_told_of(measured_wrongly: AnswersOf) -> None:
    from rag_pipeline.evaluate.answers_shown import quote_troubles

    assert quote_troubles(measured_wrongly) == ["x: 2 quotes do not stand in the passage they cite"]


@pytest.fixture
def measured_wrongly() -> AnswersOf:
    from rag_pipeline.answer.bounds import Bounds
    from rag_pipeline.evaluate.answers import Figures, Measured

    figures = Figures(1, 1, 0, 3, 1, 0.0, None, None, None, None, 0.0, 0.0)
    return AnswersOf("r", Bounds(meaning=None, words=0.1), (Measured("x", (), figures),))
