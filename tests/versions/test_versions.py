"""A version is all that decides what answers say, kept under its hash; what it is worth is measured by really asking."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.answer.bounds import Bounds, Chosen, keep
from rag_pipeline.answer.config import read_config
from rag_pipeline.errors import PipelineError
from rag_pipeline.home_mark import claim_home
from rag_pipeline.release.clear_out import clear_out
from rag_pipeline.versions.content import AnswerVersion, configured, terms
from rag_pipeline.versions.evidence_store import evidence_on
from rag_pipeline.versions.kept import VERSIONS, damaged_versions, kept_versions, read_version
from tests.support.answer_versions import VersionDesk, lying
from tests.support.small_releases import NOW


def file_of(desk: VersionDesk, version: str) -> Path:
    return desk.office.home.answers / VERSIONS / f"{version}.json"


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://127.0.0.1:1/v1"},
        {"model": "liar-2"},
        {"key": "OTHER_KEY"},
        {"timeout_ms": 9_000},
        {"tokens_out": 100},
        {"reads": ["all"]},
        {"classifications": ["unstated"]},
        {"name": "other"},
    ],
)
def test_whatever_changes_what_a_model_writes_makes_another_version(desk: VersionDesk, changes: dict[str, Any]) -> None:
    assert desk.kept(**changes) != desk.kept()


def test_a_letter_of_the_prompt_and_other_bounds_make_another_version_and_prices_do_not(desk: VersionDesk) -> None:
    first = desk.kept("Answer.")
    assert desk.kept("Answer!") != first
    assert desk.kept("Answer.", usd_per_million={"in": 2, "out": 2}, usd_per_day=3) == first
    chosen = Chosen(
        model="small", bounds=Bounds(meaning=0.1, words=0.1), questions=60, golden_sets=("x",), release="r", at=NOW
    )
    keep(desk.office.home, chosen)
    other = desk.kept("Answer.")
    assert other != first
    assert read_version(desk.office.home, other).version.bounds_of("small", "small") == chosen.bounds
    assert read_version(desk.office.home, first).version.bounds_of("small", "small").words == 0.295


def test_a_version_stays_when_its_files_move_on_and_holds_no_key(desk: VersionDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "sk-very-secret")
    first = desk.kept("The first prompt.", key="HOUSE_KEY")
    desk.write("Quite another prompt.", url="http://127.0.0.1:1/v1", model="other")
    kept = read_version(desk.office.home, first)
    assert kept.version.prompt == "The first prompt."
    assert "sk-very-secret" not in file_of(desk, first).read_text(encoding="utf-8")
    asked = terms(kept.version, kept.prices, read_config(desk.file))
    assert (asked.prompt, asked.models[0].model, asked.models[0].url) == ("The first prompt.", "liar-1", desk.model.url)
    assert asked.models[0].usd_per_million.tokens_in == 1
    assert asked.prompt_name == kept.version.prompt_name
    nameless = terms(kept.version, {}, read_config(desk.file))
    assert nameless.models[0].worst(1) > 10**10, "a price that nobody stated is the highest there is"


def test_what_was_changed_after_it_was_kept_is_found_and_kept_again_by_its_files(desk: VersionDesk) -> None:
    version = desk.kept()
    path = file_of(desk, version)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["version"]["prompt"] = "Answer what you like."
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PipelineError, match="was changed after it was kept"):
        read_version(desk.office.home, version)
    assert desk.kept() == version and read_version(desk.office.home, version)
    assert kept_versions(desk.office.home) == [version]
    with pytest.raises(PipelineError, match="there is no answer version"):
        read_version(desk.office.home, "0" * 32)
    with pytest.raises(PipelineError, match="is not the id of an answer version"):
        read_version(desk.office.home, "../../channels/production")


def test_any_changed_byte_of_a_kept_version_is_named_with_what_to_do(desk: VersionDesk) -> None:
    version = desk.kept()
    path = file_of(desk, version)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert damaged_versions(desk.office.home).keys() == {version}, whole[place - 20 : place + 1]
    path.write_bytes(whole)
    assert damaged_versions(desk.office.home, [version]) == {}
    path.unlink()
    [says] = damaged_versions(desk.office.home, [version]).values()
    assert says.startswith(f"there is no answer version {version}")


def test_every_golden_question_is_really_asked_and_what_came_of_it_is_evidence(desk: VersionDesk) -> None:
    desk.quoted(unanswerable=True)
    version = desk.kept()
    evidence = desk.measure(version)
    figures = evidence.figures
    assert (figures.questions, figures.answered, figures.found, figures.unanswerable) == (5, 4, 4, 1)
    assert len(desk.model.asked) == 4, "what nothing answers costs nothing"
    assert {one["messages"][0]["content"] for one in desk.model.asked} == {"Answer."}
    assert (figures.valid_citations, figures.right_sentence, figures.fell_back, figures.left_out) == (1.0, 1.0, 0.0, 0)
    assert (figures.refused_wrongly, figures.refused_rightly) == (0.0, 1.0)
    assert figures.usd_per_question == pytest.approx(350e-6 * 4 / 5)
    assert figures.write_p95_ms > 0
    shown = evidence_on(desk.office.home, evidence.release_fingerprint, version)
    assert shown.evidence == evidence and not shown.problem


def test_a_model_that_lies_is_counted_and_falls_back_to_whole_sentences(desk: VersionDesk) -> None:
    desk.quoted()
    lying(desk.model)
    figures = desk.measure(desk.kept()).figures
    assert (figures.fell_back, figures.left_out, figures.valid_citations) == (1.0, 8, 1.0)
    assert figures.right_sentence == 1.0, "the whole sentences that came instead are right"


def test_without_models_nothing_is_asked(desk: VersionDesk) -> None:
    desk.quoted()
    figures = desk.measure(desk.plain()).figures
    assert not desk.model.asked
    assert (figures.right_sentence, figures.usd_per_question, figures.questions) == (1.0, 0.0, 4)


def test_a_budget_that_does_not_last_leaves_no_evidence(desk: VersionDesk) -> None:
    version = desk.kept(usd_per_day=0.000_001)
    with pytest.raises(PipelineError, match="it does not last for the golden questions"):
        desk.measure(version)
    desk.file.unlink()
    with pytest.raises(PipelineError, match="RAG_SERVE_ANSWERS is not set"):
        desk.measure(version)


def test_young_evidence_is_used_again(desk: VersionDesk) -> None:
    from dataclasses import replace

    from rag_pipeline.versions.measure import measure_version

    version = desk.kept()
    first = desk.measure(version)
    asked = len(desk.model.asked)
    work = replace(desk.work(NOW + timedelta(hours=3)), reuse_hours=12.0)
    kept = read_version(desk.office.home, version)
    assert measure_version(work, desk.office.first, kept) == first
    assert len(desk.model.asked) == asked
    later = replace(desk.work(NOW + timedelta(hours=13)), reuse_hours=12.0)
    again = measure_version(later, desk.office.first, kept)
    assert (again.sequence, again.previous) == (2, first.seal)
    assert len(desk.model.asked) == 2 * asked


def test_what_is_kept_goes_with_the_home_and_nothing_else_of_the_folder(desk: VersionDesk) -> None:
    desk.measure(desk.plain())
    mine = desk.office.home.answers / VERSIONS / "notes.json"
    mine.write_text("{}", encoding="utf-8")
    claim_home(desk.settings)
    clear_out(desk.office.home)
    assert [path for path in desk.office.home.answers.rglob("*") if path.is_file()] == [mine]


def test_another_rag_pipeline_does_not_pass_for_the_one_that_was_measured(desk: VersionDesk) -> None:
    mine = configured(desk.settings).version
    assert not mine.too_different
    older = mine.model_copy(update={"selection": 0})
    assert "answers otherwise" in older.too_different and older.id != mine.id
    assert AnswerVersion().says == "whole sentences"
