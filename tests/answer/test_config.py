"""The file of the models that may write answers: what is wrong in it is named with its line."""

from pathlib import Path

import pytest

from rag_pipeline.answer.config import NANO, read_config
from rag_pipeline.errors import PipelineError

GOOD = """\
models:
  - name: house
    url: http://127.0.0.1:8000/v1
    model: small
    usd_per_million: {in: 0.15, out: 0.6}
    reads: [public, HR]
    classifications: [unstated, public, internal]
budget: {usd_per_day: 5, usd_per_query: 0.02, tenants: {Acme: 1}}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "answers.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_says_who_may_write_what_they_may_see_and_what_it_may_cost(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, GOOD))
    [model] = config.models
    assert (model.reads, model.classifications) == (("public", "hr"), ("unstated", "public", "internal"))
    assert config.budget.tenants == {"acme": 1}
    assert "passage" in config.prompt, "the prompt that comes with the package"
    assert model.cost(1_000_000, 1_000_000) == int(0.75 * NANO)
    assert model.cost(1, 0) == 150 and model.worst(0) > 0


def test_a_prompt_of_ones_own_is_a_file_beside_it_and_each_letter_gives_it_another_name(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("Answer.")
    file = written(tmp_path, f"prompt: mine.md\n{GOOD}")
    first = read_config(file).prompt_name
    assert first.startswith("answer@") and first == read_config(file).prompt_name
    (tmp_path / "mine.md").write_text("Answer!")
    assert read_config(file).prompt_name != first


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("model: small", "modell: small", "answers.yaml:2"),
        ("in: 0.15", "in: -1", "answers.yaml:5"),
        ("url: http://", "url: ftp://", "answers.yaml:3: models.0.url"),
        ("http://127", "http://user:secret@127", "models.0.url"),
        ("[public, HR]", "['']", "is no label"),
        ("[unstated, public, internal]", "[secret]", "is no classification; known: unstated, public"),
        ("usd_per_query: 0.02, ", "", "budget.usd_per_query"),
        ("name: house", "name: 'A B'", "models.0.name"),
        ("budget: {", "prompt: gone.md\nbudget: {", "gone.md cannot be read"),
        ("models:\n", "models: []\nothers:\n", "answers.yaml"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_field(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(PipelineError) as error:
        read_config(written(tmp_path, GOOD.replace(old, new)))
    assert says in str(error.value)


def test_two_models_of_one_name_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    entry = GOOD.split("models:\n")[1].split("budget")[0]
    with pytest.raises(PipelineError, match="two have one name"):
        read_config(written(tmp_path, GOOD.replace(entry, entry * 2)))
    with pytest.raises(PipelineError, match="RAG_SERVE_ANSWERS names the file"):
        read_config(tmp_path / "nothing.yaml")
