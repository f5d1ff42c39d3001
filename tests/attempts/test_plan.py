"""Which attempts a try consists of, and what is refused before anything is built."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from rag_pipeline.attempts.plan import AS_NOW, CAN_BE_TRIED, MOST, plan, wanted
from rag_pipeline.engine_settings import EngineSettings
from rag_pipeline.errors import PipelineError
from rag_pipeline.home_settings import HomeSettings
from rag_pipeline.settings import Settings
from tests.conftest import Workspace, files_contract

MAKES_NO_OTHER_RELEASE = {
    "query_text",
    "query_days",
    "traffic_cron",
    "evals",
    "owner",
    "actor",
    "promotion",
    "keep_releases",
    "keep_days",
    "schedules",
    "timezone",
    "nightly_cron",
    "collection_cron",
    "evaluation_cron",
    "key_prefix",
    "group_name",
    "reports_url",
    "openlineage_namespace",
    *HomeSettings.model_fields,
    *EngineSettings.model_fields,
}


@pytest.fixture
def one_source(workspace: Workspace) -> Workspace:
    workspace.contract("handbook", files_contract(workspace.pages({"leave.md": "# Leave\n\nThirty days of it.\n"})))
    return workspace


def test_of_each_setting_it_was_said_whether_it_can_be_tried() -> None:
    assert set(CAN_BE_TRIED) | MAKES_NO_OTHER_RELEASE == set(Settings.model_fields)
    assert not set(CAN_BE_TRIED) & MAKES_NO_OTHER_RELEASE


def test_several_settings_give_every_combination_beside_how_it_is_now(one_source: Workspace) -> None:
    attempts = plan(one_source.settings, wanted(["RAG_CHUNK_TOKENS=128,64", "RAG_RETRIEVAL=dense", "RAG_CHUNK_TOKENS=32"]))
    assert [one.name for one in attempts] == [
        AS_NOW,
        "RAG_CHUNK_TOKENS=128, RAG_RETRIEVAL=dense",
        "RAG_CHUNK_TOKENS=64, RAG_RETRIEVAL=dense",
        "RAG_CHUNK_TOKENS=32, RAG_RETRIEVAL=dense",
    ]
    assert attempts[0].settings == one_source.settings
    assert [(one.settings.chunk_tokens, one.settings.retrieval) for one in attempts[1:]] == [
        (128, "dense"),
        (64, "dense"),
        (32, "dense"),
    ]
    assert {one.settings.home for one in attempts} == {one_source.home}, "where it is built is not for the plan to say"


def test_a_value_that_is_the_one_of_now_is_no_attempt(one_source: Workspace) -> None:
    names = [one.name for one in plan(one_source.settings, {"RAG_CHUNK_TOKENS": ["0", "100"]})]
    assert names == [AS_NOW, "RAG_CHUNK_TOKENS=100"]
    with pytest.raises(PipelineError, match="nothing to compare"):
        plan(one_source.settings, {"RAG_CHUNK_TOKENS": ["0"]})


def test_a_comma_that_is_part_of_a_value_has_a_backslash() -> None:
    assert wanted([r"RAG_QUERY_PROMPT=find\, please: ,ask: "]) == {"RAG_QUERY_PROMPT": ("find, please:", "ask:")}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("RAG_CHUNK_TOKEN=5", "did you mean RAG_CHUNK_TOKENS?"),
        ("chunk_tokens=5", "did you mean RAG_CHUNK_TOKENS?"),
        ("RAG_WEATHER=5", "these can be tried: RAG_MODEL"),
        ("RAG_OWNER=team:us", "RAG_OWNER makes no other release"),
        ("RAG_CHUNK_TOKENS", "RAG_CHUNK_TOKENS=VALUE,VALUE"),
        ("RAG_CHUNK_TOKENS=many", "RAG_CHUNK_TOKENS='many'"),
        ("RAG_CHUNK_TOKENS=9999", "more than the model reads"),
        ("RAG_CHUNK_TOKENS=5", "make the first smaller"),
        ("RAG_RETRIEVAL=psychic", "RAG_RETRIEVAL='psychic'"),
        ("RAG_MODEL=/nowhere", "RAG_MODEL=/nowhere"),
        ("RAG_CONTRACTS=/nowhere", "/nowhere: no such folder"),
        (f"RAG_CHUNK_TOKENS={','.join(str(100 + number) for number in range(MOST + 1))}", f"{MOST} is the most"),
    ],
)
def test_what_cannot_be_tried_is_said_before_anything_is_built(one_source: Workspace, said: str, told: str) -> None:
    with pytest.raises(PipelineError) as error:
        plan(one_source.settings, wanted([said]))
    assert told in str(error.value)
    assert not one_source.home.tries.exists()


def test_a_contract_may_say_another_way_to_cut_and_nothing_else_about_rows(one_source: Workspace) -> None:
    def variant(name: str, change: Callable[[dict[str, Any]], object]) -> str:
        [file] = one_source.settings.contracts.glob("*.yaml")
        contract = yaml.safe_load(file.read_text(encoding="utf-8"))
        change(contract)
        folder = one_source.root / name
        folder.mkdir()
        (folder / file.name).write_text(yaml.safe_dump(contract), encoding="utf-8")
        return str(folder)

    cut = variant("cut", lambda one: one["customProperties"].append({"property": "chunkTokens", "value": 40}))
    _, attempt = plan(one_source.settings, {"RAG_CONTRACTS": [cut]})
    assert [one.cut.tokens for one in attempt.contracts] == [40]
    longer = variant("longer", lambda one: one["schema"][0]["properties"][1].update(logicalTypeOptions={"minLength": 9}))
    with pytest.raises(PipelineError, match="accepts other rows"):
        plan(one_source.settings, {"RAG_CONTRACTS": [longer]})
