"""What a mutation run is told: modules and tests that exist, and explanations of lines that still stand there."""

import tomllib
from pathlib import Path

import pytest

from benchmarks.mutants.survivors import PAGE, Mutant, explained

PROJECT = Path(__file__).parents[2]
TOLD = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
TESTS = [
    one
    for key in ("pytest_add_cli_args", "pytest_add_cli_args_test_selection")
    for one in TOLD[key]
    if one.endswith(".py") or "::" in one
]


@pytest.mark.parametrize("module", TOLD["only_mutate"])
def test_a_module_that_is_mutated_exists(module: str) -> None:
    assert (PROJECT / module).is_file()


@pytest.mark.parametrize("test", TESTS)
def test_a_test_that_is_run_or_left_out_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}" in (PROJECT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("mutant", explained(PAGE.read_text(encoding="utf-8")), ids=lambda one: one.function)
def test_an_explained_survivor_changes_a_line_that_still_stands_there(mutant: Mutant) -> None:
    module = mutant.function.split(".")[:2]
    source = PROJECT.joinpath("rag_pipeline", *module).with_suffix(".py").read_text(encoding="utf-8")
    assert mutant.was != mutant.becomes
    assert not set(mutant.was) - {line.strip() for line in source.splitlines()}
