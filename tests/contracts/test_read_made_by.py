"""A contract may name the Dagster assets that its feed is made by."""

from rag_pipeline.contracts.read import read_contract
from tests.conftest import Workspace, files_contract
from tests.support.contract_pages import prop


def test_what_makes_the_feed_is_read_and_decides_nothing_about_rows(workspace: Workspace) -> None:
    before = read_contract(workspace.contract("pages", files_contract("pages")))
    content = files_contract("pages")
    content["customProperties"].append(prop("madeBy", ["warehouse/articles", "dbt/clean"]))
    after = read_contract(workspace.contract("pages", content))
    assert (before.made_by, after.made_by) == ((), ("warehouse/articles", "dbt/clean"))
    assert after.fingerprint == before.fingerprint
