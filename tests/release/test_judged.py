"""A judge model is asked about answers out of a release: about what it may see, what people judged first."""

import asyncio
import json

import pytest

from rag_pipeline.answer.judged_by_people import JUDGMENTS, in_turn
from rag_pipeline.evaluate.answers import AnswersOf, measure_answers
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.host.answer_figures import metadata
from rag_pipeline.release.answered import Beside
from rag_pipeline.release.judged import Judged, about, chosen, items_of, judged
from rag_pipeline.release.withdrawn import withdraw
from rag_pipeline.report.answers import write_answers
from tests.conftest import Workspace
from tests.support.lying_model import LyingModel, lying_model
from tests.support.small_releases import NOW, SMALL, release_of

pytest.importorskip("openai")

TEXT = "Cats purr softly at night. Dogs bark loudly all day. Fish swim in deep water. Birds sing early each morning."
ASKED = ("cats purr softly night", "dogs bark loudly day", "fish swim deep water", "birds sing early morning")


class Judge(LyingModel):
    """Finds answers faithful, and relevant if they tell of cats or dogs first."""

    def content(self, kind: str) -> str:
        asked = json.loads(self.asked[-1]["messages"][1]["content"])
        relevant = asked["sentences"][0]["text"].startswith(("Cats", "Dogs"))
        return json.dumps({"id": asked["id"], "faithful": True, "relevant": relevant})


@pytest.fixture
def answered(workspace: Workspace) -> AnswersOf:
    release = release_of(workspace.home, {"pets.md": TEXT}).manifest.id
    folder = workspace.golden("pets", {text: ["handbook/pets.md"] for text in ASKED})
    return measure_answers(workspace.home, release, SMALL, [read_golden_set(folder)], folder.parent)  # type: ignore[arg-type]


def ask(workspace: Workspace, answered: AnswersOf, more: str) -> tuple[Judged | str | None, int]:
    async def run() -> tuple[Judged | str | None, int]:
        async with lying_model(Judge()) as model:
            (workspace.settings.evals / "judge.yaml").write_text(
                f'model: {{name: j, url: "{model.url}", model: m, usd_per_million: {{in: 1, out: 1}}{more}}}\n'
                "budget: {usd_per_day: 1}\nat_once: 1\n"
            )
            return await asyncio.to_thread(judged, workspace.settings, answered), len(model.asked)

    return asyncio.run(run())


def test_without_a_file_nothing_is_asked(workspace: Workspace, answered: AnswersOf) -> None:
    assert judged(workspace.settings, answered) is None
    assert "judge" not in metadata(answered, None, "", None)


def test_scores_stand_beside_the_agreement_of_people(workspace: Workspace, answered: AnswersOf) -> None:
    folder = workspace.settings.evals / "pets"
    items = items_of(answered, answered.sets[0])
    assert len(items) == 4
    people = [{"answer": one.id, "faithful": True, "relevant": one.query in ("q0", "q1")} for one in items]
    (folder / JUDGMENTS).write_text("".join(json.dumps(row) + "\n" for row in people))
    found, asked = ask(workspace, answered, ", classifications: [unstated]")
    assert isinstance(found, Judged) and asked == 4
    faithful, relevant = found.sets[0].scores
    assert (faithful.share, relevant.share, relevant.agreement.pairs, relevant.agreement.value) == (1.0, 0.5, 4, 1.0)
    assert faithful.agreement.value is None, "all are faithful, which tells nothing of the judge"
    assert not relevant.usable("m", 0.6).ok, "four answers are too few"
    said = metadata(answered, None, "", found)
    assert said["pets relevant says the judge"] == 0.5 and "no" in str(said["opinions"])
    assert (
        "50 % of 4 answers are relevant; with people it agreed on 4 of 4"
        in about(Beside(answered, None), found, "x")["judge"]
    )


def test_a_judge_sees_what_its_endpoint_may_see_and_nothing_else(workspace: Workspace, answered: AnswersOf) -> None:
    for more in ("", ", classifications: [unstated], reads: [hr]"):
        found, asked = ask(workspace, answered, more)
        assert isinstance(found, Judged) and asked == 0
        assert found.sets[0].why_not == {"the model may not see what they quote": 4}
    withdraw(workspace.home, "handbook/pets.md", by="ana", why="test", now=NOW)
    found, asked = ask(workspace, answered, ", classifications: [unstated]")
    assert isinstance(found, Judged) and asked == 0, "what is hidden from readers is hidden from the judge"
    page = write_answers(workspace.home, answered, None, NOW, withdrawn=["handbook/pets.md"]).read_text()
    assert "purr" in page and "Cats purr softly at night." not in page


def test_what_people_judged_is_asked_first(answered: AnswersOf) -> None:
    items = items_of(answered, answered.sets[0])
    last = in_turn(items, ())[-1]
    assert [one.id for one in chosen(items, {last.id}, 2)] == [last.id, in_turn(items, ())[0].id]
    assert len(chosen(items, (), 99)) == 4


def test_a_file_that_is_wrong_is_told_and_stops_nothing(workspace: Workspace, answered: AnswersOf) -> None:
    found, asked = ask(workspace, answered, ", reads: [two words!]")
    assert isinstance(found, str) and "judge.yaml:1: model.reads" in found and asked == 0
    assert "judge.yaml" in str(metadata(answered, None, "", found)["judge"])
    assert "model.reads" in about(Beside(answered, None), found, "x")["judge"]
