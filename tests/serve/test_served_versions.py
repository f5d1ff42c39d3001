"""A replica answers by the version that its channel named together with the release that is leased."""

from datetime import timedelta

import pytest

from rag_pipeline.serve.writers import ServedVersions
from rag_pipeline.versions.content import NONE
from tests.support.answer_versions import VersionDesk, desk, model
from tests.support.office import PAGES, office
from tests.support.small_releases import NOW

__all__ = ["desk", "model", "office"]

HOUR = timedelta(hours=1)


def test_a_version_serves_with_the_next_question_after_it_was_named(desk: VersionDesk) -> None:
    version = desk.kept()
    served = ServedVersions(desk.settings)
    served.look(["production"])
    first = desk.office.first
    assert served.of("production", first).version is None
    desk.measure(version)
    desk.move(version)
    found = served.of("production", first)
    assert found.version is not None and found.version.id == version
    assert served.of("production", first).writer is found.writer, "its breakers remember"
    desk.move(NONE, now=NOW + HOUR)
    assert served.of("production", first).version is None


def test_while_another_release_is_being_opened_the_one_before_is_answered_by_its_own_version(desk: VersionDesk) -> None:
    old, new = desk.kept("Old."), desk.kept("New.")
    desk.measure(old)
    desk.move(old)
    served = ServedVersions(desk.settings)
    served.look(["production"])
    second = desk.office.second(PAGES)
    desk.office.evaluate(second, NOW + HOUR)
    desk.measure(new, second, NOW + HOUR)
    desk.move(new, second, NOW + HOUR)
    names = [
        one.version.prompt
        for one in (served.of("production", desk.office.first), served.of("production", second))
        if one.version
    ]
    assert names == ["Old.", "New."]
    stranger = served.of("production", "another")
    assert stranger.writer is None and "names another release" in stranger.why_not


def test_without_a_file_of_models_and_a_version_nothing_is_wrong(desk: VersionDesk) -> None:
    found = ServedVersions(desk.office.workspace.settings).of("production", desk.office.first)
    assert (found.version, found.writer, found.why_not) == (None, None, "")
    plain = desk.plain()
    desk.measure(plain)
    desk.move(plain)
    named = ServedVersions(desk.office.workspace.settings).of("production", desk.office.first)
    assert named.version is not None and (named.version.id, named.why_not) == (plain, "")


def test_what_could_not_be_believed_is_looked_at_again(desk: VersionDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    version = desk.kept()
    desk.measure(version)
    desk.move(version)
    aside = desk.office.home.answers.with_name("aside")
    desk.office.home.answers.rename(aside)
    served = ServedVersions(desk.settings)
    assert served.of("production", desk.office.first).version is None
    aside.rename(desk.office.home.answers)
    assert served.of("production", desk.office.first).version is None, "not with every question"
    monkeypatch.setattr("rag_pipeline.serve.writers._TRY_AGAIN_S", 0.0)
    served.look(["production"])
    found = served.of("production", desk.office.first)
    assert found.version is not None and found.version.id == version
