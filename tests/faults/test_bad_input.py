"""Bad input of every kind: it is named where it belongs, the other sources go on, nothing crashes, nothing vanishes."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.feeds.base import as_text
from rag_pipeline.home import Home
from rag_pipeline.ingest.report import LoadReport
from tests.conftest import Workspace
from tests.support import bad_documents, bad_places, bad_rows, bad_tables, bad_values
from tests.support.bad_input import MARKER, Folder, Ground, Kind, limits
from tests.support.bad_nights import HEALTHY, KINDS, PARTS, SUSPECT, Nights, assert_told, prepare
from tests.support.built_once import BuiltOnce, content_of


def one_a_rule(kinds: dict[str, Kind]) -> set[str]:
    """The first kind of each rule that is broken: how a row is judged is shown for all in test_bad_rows_judged.py."""
    first: dict[object, str] = {}
    for name, kind in kinds.items():
        first.setdefault(tuple((told.rule, told.kind, told.item) for told in kind.told), name)
    return set(first.values())


JUDGED = bad_values.KINDS | bad_rows.KEYS | bad_rows.TEXTS
LESS_OFTEN = (
    bad_documents.LESS_OFTEN | bad_tables.LESS_OFTEN | (JUDGED.keys() - one_a_rule(JUDGED) - bad_rows.AT_ONCE.keys())
)
"""Each is much like another one, and runs with the slow tests only."""


def one_a_way() -> set[str]:
    """The first kind of each feed that comes to each end: what a good night makes up for is the same for all of these."""
    first: dict[object, str] = {}
    for part in PARTS:
        for name, kind in part.items():
            if name not in LESS_OFTEN and not kind.needs:
                end = (bool(kind.held), frozenset(told.kind for told in kind.told), kind.stays is None)
                first.setdefault((id(part), kind.ground.__name__, *end), name)
    return set(first.values())


WHOLE = one_a_way()
"""Seen from the night before to the night after, beside another source; of the others the fast tests see the bad night."""

THREE_NIGHTS = [pytest.param(name, marks=[] if name in WHOLE else [pytest.mark.slow]) for name in KINDS]
TOGETHER = [
    name
    for name, kind in bad_documents.KINDS.items()
    if kind.ground is bad_documents.PAGES and not kind.held and not kind.needs and name not in WHOLE
    if name != "a link that leads out of the folder"  # which has to lead out of the whole feed
]
"""What lies in a folder beside the others and disturbs none of them."""

ONE_NIGHT = [name for name in KINDS if name not in WHOLE | LESS_OFTEN | set(TOGETHER)]


@pytest.fixture(scope="module")
def healthy_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which the healthy source was loaded once: copying it is quicker than loading again."""
    workspace = Workspace(tmp_path_factory.mktemp("healthy"))
    Nights(workspace).load(HEALTHY, 1)
    return workspace.home


def assert_nothing_vanished(ground: Ground, report: LoadReport, documents: set[str], entries: list[dict[str, Any]]) -> None:
    """Every row that was fed stands in the documents, in the quarantine, or is counted as too old to keep."""
    assert report.rows_in == report.good + report.refused + report.superseded + report.expired
    if not ground.fed:
        return
    raws = [json.loads(entry["raw"]) for entry in entries]
    refused = [raw.get("id", raw.get("key")) for raw in raws]
    found = documents | {str(as_text(key)) for key in refused} | {key.split("/")[-1] for key in documents}
    vanished = [row for row in ground.fed if str(as_text(row.get("id"))) not in found]
    assert len(vanished) == report.expired


@contextmanager
def a_good_night_and_a_bad_one(
    name: str, built_once: BuiltOnce, healthy_home: Home, caplog: pytest.LogCaptureFixture
) -> Iterator[tuple[Nights, Ground]]:
    """Both nights of a kind, beside a healthy source; no word of them, nor of a night that follows, quotes a value."""
    kind = KINDS[name]
    if "no root" in kind.needs and os.geteuid() == 0:
        pytest.skip("root may read everything")
    nights = beside_a_healthy_source(built_once, healthy_home)
    with kind.ground(nights.workspace.root) as ground, caplog.at_level("INFO"):
        a_good_night(name, ground, nights, built_once)
        told = a_bad_night(kind, ground, nights)
        yield nights, ground
        for words in (caplog.text, *told):
            assert MARKER not in words


@pytest.mark.parametrize("name", THREE_NIGHTS)
def test_bad_input_is_named_and_held_or_quarantined_and_the_next_good_night_makes_up_for_it(
    name: str, built_once: BuiltOnce, healthy_home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    with a_good_night_and_a_bad_one(name, built_once, healthy_home, caplog) as (nights, ground):
        healthy = nights.load(HEALTHY, 2)
        assert (healthy.outcome, nights.texts(HEALTHY)) == ("accepted", {"owls.md": "Owls of night 2.\n"})

        ground.good(3)
        fixed = nights.load(SUSPECT, 3, ground.content)
        assert (fixed.outcome, fixed.open_refusals) == ("accepted", 0), fixed
        assert set(nights.texts(SUSPECT)) == ground.keys
        assert len(nights.refused("resolved")) == len(KINDS[name].told)


@pytest.mark.parametrize("name", ONE_NIGHT)
def test_bad_input_is_named_and_held_or_quarantined(
    name: str, built_once: BuiltOnce, healthy_home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    with a_good_night_and_a_bad_one(name, built_once, healthy_home, caplog) as (nights, _):
        assert nights.texts(HEALTHY) == {"owls.md": "Owls of night 1.\n"}


class Below(Folder):
    """A folder in another one, with four pages of its own."""

    def __init__(self, whole: Folder, name: str) -> None:
        self.path = whole.path / name
        self.path.mkdir()


def test_bad_files_of_every_kind_are_named_and_quarantined_in_one_night(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    whole, nights = Folder(workspace.root, customProperties=limits(quarantine=100)), Nights(workspace)
    grounds = {f"kind-{number}": KINDS[name] for number, name in enumerate(TOGETHER)}
    folders = {place: Below(whole, place) for place in grounds}
    for folder in folders.values():
        folder.good(1)
    assert nights.load(SUSPECT, 1, whole.content).good == len(TOGETHER) * len(Folder.keys)
    for place, kind in grounds.items():
        kind.bad(folders[place])
    with caplog.at_level("INFO"):
        report = nights.load(SUSPECT, 2, whole.content)
    assert not report.held, report.reason
    told = [replace(told, item=f"{place}/{told.item}") for place, kind in grounds.items() for told in kind.told]
    entries = nights.refused()
    assert_told(replace(KINDS[TOGETHER[0]], told=tuple(told)), entries)
    stays = {f"{place}/{key}" for place, kind in grounds.items() for key in (kind.stays or Folder.keys)}
    assert set(nights.texts(SUSPECT)) == stays
    for words in (caplog.text, repr(report), *(entry["reasons"] for entry in entries)):
        assert MARKER not in words


def beside_a_healthy_source(built_once: BuiltOnce, healthy_home: Home) -> Nights:
    workspace = Workspace(built_once.empty("bad-input"))
    shutil.copytree(healthy_home.root, workspace.home.root)
    return Nights(workspace)


def a_good_night(name: str, ground: Ground, nights: Nights, built_once: BuiltOnce) -> None:
    """The first one. It is loaded once where the files and the contract are those of another kind."""
    prepare(ground, nights.workspace)
    ground.good(1)
    nights.workspace.contract(SUSPECT, ground.content)
    alike = name if name in bad_places.KINDS else content_of(nights.workspace.root)

    def read_and_loaded() -> tuple[Contract, LoadReport]:
        return nights.contract(SUSPECT, 1, ground.content), nights.load(SUSPECT, 1)

    nights.contracts[SUSPECT], first = built_once.state(nights.workspace.root, alike, read_and_loaded)
    assert (first.outcome, first.open_refusals) == ("accepted", 0), first
    assert set(nights.texts(SUSPECT)) == ground.keys


def a_bad_night(kind: Kind, ground: Ground, nights: Nights) -> list[str]:
    """The second one: what is told of it is what was expected; all words of it, which may quote no value."""
    before, version = nights.texts(SUSPECT), nights.told_in_history(SUSPECT)["data_version"]
    kind.bad(ground)
    report = nights.load(SUSPECT, 2, ground.content)
    documents, entries = nights.texts(SUSPECT), nights.refused()
    if kind.held:
        assert report.held and kind.held in report.reason, report
        assert documents == before
        assert report.data_version == version
    else:
        assert not report.held, report.reason
        assert set(documents) == (ground.keys if kind.stays is None else kind.stays)
        assert_nothing_vanished(ground, report, set(documents), entries)
    assert_told(kind, entries)
    assert report.expired == kind.expired
    history = nights.told_in_history(SUSPECT)
    assert (history["run_id"], history["outcome"], history["reason"]) == ("night-2", report.outcome, report.reason)
    assert (history["refused"], history["rows_in"], history["good"]) == (len(entries), report.rows_in, report.good)
    return [repr(report), repr(history), *(entry["reasons"] for entry in entries)]


def test_there_are_kinds_enough_and_no_name_is_used_twice() -> None:
    assert len(KINDS) == sum(len(part) for part in PARTS) >= 40
    assert KINDS.keys() > LESS_OFTEN
    assert KINDS.keys() == WHOLE | LESS_OFTEN | {*ONE_NIGHT, *TOGETHER}
    assert len(TOGETHER) >= 30
