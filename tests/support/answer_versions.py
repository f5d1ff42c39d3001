"""Answer versions of the office: a model on this machine that tells the truth or lies, measured and promoted."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag_pipeline.channels.pointer import Channel, read_channel
from rag_pipeline.gate.answers import answer_policies
from rag_pipeline.golden.unanswerable import UNANSWERABLE
from rag_pipeline.release.promote import Promotion, promote
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.settings import Settings
from rag_pipeline.versions.content import configured
from rag_pipeline.versions.evidence import AnswerEvidence
from rag_pipeline.versions.kept import keep_version, read_version
from rag_pipeline.versions.measure import AnswersWork, measure_version
from tests.support.built_once import BuiltOnce
from tests.support.lying_model import LyingModel, line, model_in_a_thread
from tests.support.office import Office
from tests.support.small_releases import NOW, SmallModel

SENTENCES = ("cats purr softly", "dogs bark loudly")
"""What the office's pages say, word for word."""


def honest(model: LyingModel) -> None:
    """From now on it quotes the sentence that the question is about, of the passage that it stands in."""

    def content(kind: str) -> str:
        asked = json.loads(model.asked[-1]["messages"][1]["content"])
        words = set(asked["question"].split())
        sentence = max(SENTENCES, key=lambda one: len(words & set(one.split())))
        number = next(each["number"] for each in asked["passages"] if sentence in each["text"])
        return line(sentence, sentence, number)

    model.content = content  # type: ignore[method-assign]


def lying(model: LyingModel) -> None:
    """From now on nothing of what it writes stands anywhere."""
    model.content = lambda kind: line("The moon is made of cheese.", "the moon is made of cheese", 1)  # type: ignore[method-assign]


@dataclass
class VersionDesk:
    """The office, which serves its first release, and a file of models."""

    office: Office
    model: LyingModel

    @property
    def file(self) -> Path:
        return self.office.workspace.root / "answers.yaml"

    @property
    def settings(self) -> Settings:
        given = str(self.file) if self.file.is_file() else ""
        return self.office.workspace.settings.model_copy(update={"serve_answers": given})

    def write(self, prompt: str = "Answer.", *, usd_per_day: float = 10, **changes: Any) -> None:
        """The file of models and the prompt beside it."""
        (self.file.parent / "prompt.md").write_text(prompt, encoding="utf-8")
        one = {
            "name": "house",
            "url": self.model.url,
            "model": "liar-1",
            "usd_per_million": {"in": 1, "out": 1},
            "classifications": ["unstated", "public"],
        }
        budget = {"usd_per_day": usd_per_day, "usd_per_query": 0.1}
        said = {"prompt": "prompt.md", "models": [one | changes], "budget": budget}
        self.file.write_text(yaml.safe_dump(said), encoding="utf-8")

    def kept(self, prompt: str = "Answer.", **changes: Any) -> str:
        """The version of a prompt, and changes of the model; its id."""
        self.write(prompt, **changes)
        mine = configured(self.settings)
        return keep_version(self.office.home, mine.version, mine.config).version.id

    def plain(self) -> str:
        """The version without models."""
        mine = configured(self.office.workspace.settings)
        return keep_version(self.office.home, mine.version, None).version.id

    def quoted(self, *, unanswerable: bool = False) -> Path:
        """Another golden set, whose passages are judged."""
        folder = self.office.workspace.settings.evals / "pets"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "golden.yaml").write_text("description: x\nowner: x\nmetrics: [span_recall@5]\nprimary: span_recall@5\n")
        places = zip(("cats.md", "dogs.md"), SENTENCES, strict=True)
        rows = [
            {"_id": f"p{n}", "text": sentence, "references": [{"document": f"handbook/{page}", "quote": sentence}]}
            for n, (page, sentence) in enumerate(places)
        ]
        (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        if unanswerable:
            (folder / UNANSWERABLE).write_text(json.dumps({"_id": "u1", "text": "quarterly revenue forecast"}) + "\n")
        return folder

    def work(self, now: datetime = NOW) -> AnswersWork:
        inputs = self.office.inputs(now)
        return AnswersWork(
            home=self.office.home,
            evals=self.office.workspace.settings.evals,
            golden_sets=inputs.golden_sets,
            model=SmallModel(),  # type: ignore[arg-type]
            policies=answer_policies(inputs.policy),
            own=configured(self.settings).config,
            run_id=f"run-{now.timestamp()}",
            now=now,
        )

    def measure(self, version: str, release: str = "", now: datetime = NOW) -> AnswerEvidence:
        return measure_version(self.work(now), release or self.office.first, read_version(self.office.home, version))

    def move(self, version: str | None, release: str = "", now: datetime = NOW, **asked: Any) -> Promotion:
        """Ask the gate to name a version beside a release; the one that serves if none is named."""
        target = release or self.channel.release
        request = PromotionRequest(target, by="ana", why="better", answers=version, **asked)
        return promote(self.office.inputs(now), request, run_id="run")

    @property
    def channel(self) -> Channel:
        found = read_channel(self.office.home, "production")
        assert found is not None
        return found


@pytest.fixture(scope="session")
def model() -> Iterator[LyingModel]:
    pytest.importorskip("openai")
    with model_in_a_thread() as found:
        yield found


@pytest.fixture
def desk(office: Office, model: LyingModel, built_once: BuiltOnce) -> VersionDesk:
    """The office, which serves its first release and names no answer version yet; the model tells the truth."""
    built_once.state(office.workspace.root, "served", lambda: office.serve(office.first))
    model.asked.clear()
    honest(model)
    return VersionDesk(office, model)
