"""The documentation is under test: what it lists exists, what exists is listed, and its examples run."""

import re
from typing import get_args

import pytest
import yaml

from rag_pipeline.alerts.cause import Kind
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.gate.policy import read_policy
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.settings import PROJECT, Settings
from tests.conftest import Workspace

COMMANDS = (PROJECT / "docs/commands.md").read_text(encoding="utf-8")
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        row = re.search(rf"(?m)^\| `RAG_{name.upper()}` \| (.+?) \|", COMMANDS)
        assert row, f"RAG_{name.upper()} is not in docs/commands.md"
        if name not in ("home", "contracts", "evals") and field.default != "":
            assert f"`{field.default}`" in row[1], f"docs/commands.md has another default for RAG_{name.upper()}"


def test_every_documented_setting_exists() -> None:
    documented = set(re.findall(r"(?m)^\| `RAG_([A-Z_]+)`", COMMANDS))
    assert {name.lower() for name in documented} == set(Settings.model_fields)


def test_the_runbook_has_an_entry_for_every_kind_of_alert() -> None:
    runbook = (PROJECT / "docs/runbook.md").read_text(encoding="utf-8")
    assert not [kind for kind in get_args(Kind) if f"\n| `{kind}` | " not in runbook]


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_make_target_the_readme_names_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?m)(?:`|^)make ([a-z-]+)", README)):
        assert re.search(rf"(?m)^{target}:", makefile), f"make {target} is in the README but not in the Makefile"


@pytest.fixture
def readme_blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)


def test_the_contract_and_the_policy_of_the_readme_are_valid(workspace: Workspace, readme_blocks: list[str]) -> None:
    contract, policy = readme_blocks
    path = workspace.contract("handbook", yaml.safe_load(contract))
    read = read_contract(path)
    assert read.owners == ("team:people_ops",)
    assert read.max_age_hours == 48
    workspace.golden("questions", {"how many days of vacation do I get": ["handbook/leave.md"]})
    (workspace.root / "evals/gate.yaml").write_text(policy, encoding="utf-8")
    assert set(read_policy(workspace.root / "evals").channels) == {"production"}
    assert [golden.name for golden in read_golden_sets(workspace.root / "evals")] == ["questions"]


def test_every_decision_is_in_the_list() -> None:
    folder = PROJECT / "docs/decisions"
    listed = set(re.findall(r"\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in folder.glob("0*.md")}
