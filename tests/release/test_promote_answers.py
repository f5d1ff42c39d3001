"""A channel names a release and an answer version: each moves through the gate, and a rollback brings both back."""

import json
from datetime import timedelta

import pytest

from rag_pipeline.answer.bounds import Bounds, Chosen, keep
from rag_pipeline.channels.audit import channel_now, standing
from rag_pipeline.channels.audit_rows import all_rows
from rag_pipeline.channels.restore import restore_channel
from rag_pipeline.errors import PipelineError, PromotionRefused
from rag_pipeline.release.going_back import roll_back
from rag_pipeline.release.request import PromotionRequest
from rag_pipeline.release.rollback import release_before
from rag_pipeline.serve.writers import ServedVersions
from rag_pipeline.versions.content import NONE
from rag_pipeline.versions.kept import VERSIONS
from tests.support.answer_versions import VersionDesk, desk, lying, model
from tests.support.office import PAGES
from tests.support.small_releases import NOW

__all__ = ["desk", "model"]

HOUR = timedelta(hours=1)


def rolled_back(desk: VersionDesk, now: object = NOW, **asked: object) -> str | None:
    target = release_before(desk.office.home, "production")
    request = PromotionRequest(target, by="ana", why="worse", **asked)  # type: ignore[arg-type]
    roll_back(desk.office.inputs(now), desk.office.evaluation(now), request, rival=None)  # type: ignore[arg-type]
    return desk.channel.version


def test_a_version_that_was_measured_is_named_and_the_release_stays(desk: VersionDesk) -> None:
    before, version = desk.channel, desk.kept()
    evidence = desk.measure(version)
    done = desk.move(version)
    now = channel_now(desk.office.home, "production")
    assert done.moved and now == desk.channel and now is not None and now.answers
    assert (now.version, now.answers.evidence, now.answers.outcome) == (version, evidence.seal, "passed")
    unchanged = {"release", "fingerprint", "previous", "evidence", "outcome", "reasons", "anchor", "hold", "withdrawn"}
    assert now.model_dump(include=unchanged) == before.model_dump(include=unchanged)
    assert (now.sequence, now.action, now.by) == (before.sequence + 1, "answers", "ana")
    assert not desk.move(version).moved, "it is named already"


def test_without_evidence_of_answers_a_version_is_refused_and_that_is_written_down(desk: VersionDesk) -> None:
    version, before = desk.kept(), desk.office.channel_bytes()
    with pytest.raises(PromotionRefused, match="nobody measured the answers of version") as caught:
        desk.move(version)
    assert f"rag answers evaluate {version}" in str(caught.value) and f"--answers {version}" in str(caught.value)
    assert desk.office.channel_bytes() == before
    refused = desk.office.audit_in_order()[-1]
    assert refused["action"] == "refused" and json.loads(str(refused["answers"]))["version"] == version
    with pytest.raises(PromotionRefused, match="there is no answer version"):
        desk.move("0" * 32)


def test_a_person_may_override_and_may_drop_a_version_without_evidence(desk: VersionDesk) -> None:
    version = desk.kept()
    desk.move(version, override=True)
    assert desk.channel.answers and desk.channel.answers.outcome == "could not be evaluated"
    assert standing(desk.office.home, "production").trouble == ""
    desk.move(NONE)
    assert desk.channel.answers is None
    assert channel_now(desk.office.home, "production") == desk.channel


def test_a_new_release_keeps_the_version_and_is_refused_until_the_pair_was_measured(desk: VersionDesk) -> None:
    version = desk.kept()
    desk.measure(version)
    desk.move(version)
    second = desk.office.second(PAGES)
    desk.office.evaluate(second)
    refused = desk.office.refused(second)
    assert "nobody measured the answers of version" in str(refused)
    desk.measure(version, second)
    assert desk.office.promote(second).moved
    assert (desk.channel.release, desk.channel.version) == (second, version)


def test_a_new_release_beside_whole_sentences_needs_nothing_new_unless_the_policy_asks(desk: VersionDesk) -> None:
    version = desk.plain()
    desk.measure(version)
    desk.move(version)
    second = desk.office.second(PAGES)
    desk.office.serve(second)
    assert desk.channel.version == version and standing(desk.office.home, "production").trouble == ""
    desk.office.workspace.policy(
        {"animals": {"floors": {"nDCG@10": 0.9}, "not_worse": None}}, answers={"valid_citations_min": 1.0}
    )
    third = desk.office.second({**PAGES, "x.md": "# X\n\nnothing"})
    desk.office.evaluate(third)
    with pytest.raises(PromotionRefused, match="nobody measured the answers"):
        desk.office.promote(third)


def test_release_and_version_move_together_and_come_back_together(desk: VersionDesk) -> None:
    first = desk.kept("The first prompt.")
    desk.measure(first)
    desk.move(first)
    second, other = desk.office.second(PAGES), desk.kept("The second prompt.")
    desk.office.evaluate(second, NOW + HOUR)
    desk.measure(other, second, NOW + HOUR)
    desk.move(other, second, NOW + HOUR)
    assert (desk.channel.release, desk.channel.version) == (second, other)
    desk.write("What is in git by now.")
    asked = len(desk.model.asked)
    assert rolled_back(desk, NOW + 2 * HOUR) == first
    assert desk.channel.release == desk.office.first and desk.channel.hold
    assert set(desk.channel.withdrawn) >= {other}
    assert len(desk.model.asked) == asked, "a way back asks nobody"
    assert standing(desk.office.home, "production").trouble == ""


def test_a_prompt_that_made_answers_worse_is_rolled_back_alone_and_a_second_time_goes_further_back(
    desk: VersionDesk,
) -> None:
    versions = [desk.kept(f"Prompt {number}.") for number in range(2)]
    for number, version in enumerate(versions):
        desk.measure(version, now=NOW + number * HOUR)
        desk.move(version, now=NOW + number * HOUR)
    assert rolled_back(desk, NOW + 3 * HOUR) == versions[0]
    assert desk.channel.release == desk.office.first and desk.channel.hold is None, "no night brings a version back"
    with pytest.raises(PipelineError, match="there is nothing to go back to"):
        release_before(desk.office.home, "production", answers_too=False)
    assert rolled_back(desk, NOW + 4 * HOUR) is None
    with pytest.raises(PipelineError, match="there is nothing to go back to"):
        release_before(desk.office.home, "production")
    desk.measure(versions[1], now=NOW + 5 * HOUR)
    desk.move(versions[1], now=NOW + 5 * HOUR)
    assert desk.channel.version == versions[1] and versions[1] not in desk.channel.withdrawn


def test_a_way_back_is_not_barred_by_a_version_that_was_edited_or_whose_evidence_is_gone(desk: VersionDesk) -> None:
    version = desk.kept()
    desk.measure(version)
    desk.move(version)
    second = desk.office.second(PAGES)
    desk.office.evaluate(second, NOW + HOUR)
    desk.measure(version, second, NOW + HOUR)
    desk.office.promote(second, NOW + HOUR)
    path = desk.office.home.answers / VERSIONS / f"{version}.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Answer.", "Lie."), encoding="utf-8")
    assert rolled_back(desk, NOW + 2 * HOUR) == version
    assert desk.channel.release == desk.office.first
    found = ServedVersions(desk.settings).of("production", desk.office.first)
    assert found.writer is None and "was changed after it was kept" in found.why_not


def test_a_version_that_served_before_comes_back_by_name_and_the_release_stays(desk: VersionDesk) -> None:
    first, other = desk.kept("The first prompt."), desk.kept("The second prompt.")
    for number, version in enumerate((first, other)):
        desk.measure(version, now=NOW + number * HOUR)
        desk.move(version, now=NOW + number * HOUR)
    second = desk.office.second(PAGES)
    desk.office.evaluate(second, NOW + HOUR)
    desk.measure(other, second, NOW + HOUR)
    desk.office.promote(second, NOW + HOUR)
    request = PromotionRequest(second, by="ana", why="worse", answers=first)
    roll_back(desk.office.inputs(NOW), desk.office.evaluation(NOW), request, rival=None)
    assert (desk.channel.release, desk.channel.version, desk.channel.hold) == (second, first, None)


def test_a_version_whose_model_lies_is_refused(desk: VersionDesk) -> None:
    lying(desk.model)
    version = desk.kept()
    desk.measure(version)
    with pytest.raises(PromotionRefused, match=r"no model wrote 100\.0% of the answers, at most 50\.0% are allowed"):
        desk.move(version)


def test_answers_that_became_worse_are_refused_by_pairs_of_the_same_questions(desk: VersionDesk) -> None:
    desk.quoted()
    good = desk.kept()
    desk.measure(good)
    desk.move(good)
    all_refused = Bounds(meaning=None, words=2.0)
    keep(
        desk.office.home,
        Chosen(model="small", bounds=all_refused, questions=60, golden_sets=("x",), release="r", at=NOW),
    )
    bad = desk.kept()
    assert bad != good
    desk.measure(bad)
    with pytest.raises(PromotionRefused) as caught:
        desk.move(bad)
    [refusals, worse] = caught.value.reasons
    assert "100.0% of what is answerable is refused" in refusals
    assert "a right sentence is -100.0% as often as now" in worse and "over 2 questions" in worse


def test_every_demand_of_the_policy_is_held_and_names_its_line(desk: VersionDesk) -> None:
    desk.quoted(unanswerable=True)
    demands = {"usd_per_question_max": 0.0001, "write_p95_ms": 0.001, "fell_back_max": 0.0, "right_sentence_min": 1.0}
    desk.office.workspace.policy({"animals": {"floors": {"nDCG@10": 0.9}, "not_worse": None}}, answers=demands)
    version = desk.kept()
    desk.measure(version)
    with pytest.raises(PromotionRefused) as caught:
        desk.move(version)
    [money, time] = caught.value.reasons
    assert "dollars a question, at most 0.0001 are allowed (gate.yaml:" in money
    assert "ms to write an answer (p95), at most 0.001 are allowed (gate.yaml:" in time


def test_rows_of_before_keep_their_seals_and_a_repair_brings_the_version_back(desk: VersionDesk) -> None:
    rows = all_rows(desk.office.home).collect().to_dicts()
    assert [row["answers"] for row in rows] == [None]
    version = desk.kept()
    desk.measure(version)
    desk.move(version)
    said = desk.channel
    desk.office.home.channel("production").unlink()
    assert restore_channel(desk.office.home, "production") == said
    assert said.version == version
