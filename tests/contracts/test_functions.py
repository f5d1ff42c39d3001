"""Rules over several columns: functions of `checks.py`. Mistakes in it are named; a changed rule judges every row again."""

import json
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.contracts.functions import row_rule, source_of
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import ContractError
from tests.conftest import Workspace, column, table_contract
from tests.support.feeds import Feed, limits, row

GOOD = '''"""Rules of the shop."""

import polars as pl


def in_order() -> pl.Expr:
    """ends before it begins."""
    return pl.col("begin") <= pl.col("end")


def silent() -> pl.Expr:
    return pl.col("begin").is_not_null()


def _helper() -> pl.Expr:
    return pl.lit(True)
'''


def rule(implementation: Any = "in_order", **changes: Any) -> dict[str, Any]:
    return {"type": "custom", "engine": "rag-pipeline", "implementation": implementation, **changes}


def content(workspace: Workspace, *rules: dict[str, Any]) -> dict[str, Any]:
    columns = [column(name, logicalType="integer") for name in ("begin", "end")]
    made = table_contract(workspace.root / "feed" / "a.jsonl", "jsonl", *columns, customProperties=limits(100, 100))
    made["schema"][0]["quality"] = list(rules)
    return made


def checks(workspace: Workspace, text: str) -> Path:
    workspace.settings.contracts.mkdir(exist_ok=True)
    path = workspace.settings.contracts / "checks.py"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(workspace: Workspace, *rules: dict[str, Any]) -> str:
    with pytest.raises(ContractError) as raised:
        read_contract(workspace.contract("shop", content(workspace, *rules)))
    return str(raised.value)


def test_a_function_is_an_expression_with_the_first_line_of_its_docstring(workspace: Workspace) -> None:
    folder = checks(workspace, GOOD).parent
    expression, message = row_rule(folder, "in_order")
    assert (set(expression.meta.root_names()), message) == ({"begin", "end"}, "ends before it begins")
    assert row_rule(folder, "silent")[1] == "breaks silent"


@pytest.mark.parametrize(
    ("text", "implementation", "words"),
    [
        (None, "in_order", "checks.py: no such file; rules of type custom are functions in it"),
        (GOOD, "in_ordr", "checks.py: no function 'in_ordr'; known: in_order, silent"),
        (GOOD, "_helper", "checks.py: no function '_helper'; known: in_order, silent"),
        (GOOD, "pl", "checks.py: no function 'pl'"),
        ("def in_order(:\n", "in_order", "checks.py:1: not valid Python"),
        ("\n\nx = 1 +\n", "in_order", "checks.py:3: not valid Python: invalid syntax"),
        ("raise RuntimeError('no')\n", "in_order", "checks.py: cannot be loaded: RuntimeError: no"),
        ("def in_order():\n    raise ValueError('x')\n", "in_order", "in_order() raised ValueError: x"),
        ("def in_order(a):\n    return a\n", "in_order", "in_order() raised TypeError"),
        ("def in_order():\n    return True\n", "in_order", "in_order() returns a bool, not a polars expression"),
        (GOOD.replace('"end"', '"ende"'), "in_order", "in_order() looks at ende, which the contract does not describe"),
    ],
)
def test_a_mistake_in_it_names_both_files_and_the_line(
    workspace: Workspace, text: str | None, implementation: str, words: str
) -> None:
    if text is not None:
        checks(workspace, text)
    told = refusal(workspace, rule(implementation))
    assert words in told
    assert told.startswith(f"{workspace.settings.contracts}/shop.odcs.yaml:")
    assert "schema[0].quality[0].implementation" in told


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([rule(engine="soda")], "'soda' is not run here; write it as a metric"),
        ([rule(mustBe=0)], "schema[0].quality[0].mustBe: "),
        ([rule({"a": 1})], "give the name of a function in checks.py"),
        ([rule(name="same"), rule("silent", name="same")], "two custom rules have one name"),
    ],
)
def test_a_rule_that_is_no_function_s_is_refused(workspace: Workspace, rules: list[dict[str, Any]], words: str) -> None:
    checks(workspace, GOOD)
    assert words in refusal(workspace, *rules)


@pytest.fixture
def shop(workspace: Workspace) -> Feed:
    checks(workspace, GOOD)
    feed = Feed(workspace, "shop", content(workspace, rule(name="In order")))
    feed.rows("a.jsonl", [row("1", begin=1, end=2), row("2", begin=2, end=1), row("3", begin=None, end=1), row("4")])
    return feed


def test_a_row_that_breaks_the_rule_is_refused_and_one_without_values_is_not(shop: Feed) -> None:
    report = shop.load()
    assert shop.texts().keys() == {"1", "3", "4"}
    (entry,) = shop.quarantine("open")
    assert json.loads(entry["reasons"]) == [
        {"rule": "in_order", "column": "begin", "message": "(begin, end) ends before it begins"}
    ]
    assert report.refusals[0].reasons == ("begin (begin, end) ends before it begins",)


def test_a_changed_rule_has_every_row_judged_again_and_an_unchanged_one_none(shop: Feed) -> None:
    shop.load()
    assert shop.load().items_read == 0
    path = checks(shop.workspace, GOOD.replace("<=", ">="))
    assert source_of(path) != source_of(path.with_name("none"))
    report = shop.load()
    assert report.items_read == 1
    assert shop.texts().keys() == {"2", "3", "4"}
    assert [entry["status"] for entry in shop.quarantine()].count("resolved") == 1


def test_a_change_of_checks_does_not_concern_a_contract_that_uses_none(workspace: Workspace) -> None:
    file = workspace.contract("shop", content(workspace))
    before = read_contract(file).fingerprint
    checks(workspace, GOOD)
    assert read_contract(file).fingerprint == before
