"""Every kind of bad value and bad row, read and judged by its contract. A load of them all is for the slow tests."""

from collections import Counter

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.drafting.trial import try_contract
from tests.conftest import Workspace
from tests.support import bad_rows, bad_values
from tests.support.bad_input import MARKER

KINDS = bad_values.KINDS | bad_rows.KINDS


@pytest.mark.parametrize("name", KINDS)
def test_rows_that_break_a_rule_are_refused_for_it_and_no_others(name: str, workspace: Workspace) -> None:
    kind = KINDS[name]
    with kind.ground(workspace.root) as ground:
        contract = workspace.contract("suspect", ground.content)
        contract.with_name("checks.py").write_text(ground.checks, encoding="utf-8")
        ground.good(1)
        kind.bad(ground)
        trial = try_contract(read_contract(contract), everything=True)
    assert MARKER not in repr(trial)
    assert (trial.rows, trial.unreadable) == (len(ground.fed), 0)
    wanted = [told for told in kind.told if told.kind == "refused"]
    assert trial.refused_rows == len(wanted)
    assert trial.repeated_keys == sum(told.words.startswith("repeats the key") for told in kind.told)
    found = Counter(trial.refused)
    for told in wanted:
        [reason] = [one for one in found if told.words in one and (told.column in one or told.column in told.words)]
        found[reason] -= 1
    assert not any(found.values()), found
