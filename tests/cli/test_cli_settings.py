"""Settings are held to their meaning before anything starts, by every command and by the code location in the same words."""

import itertools
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import Settings, load_settings
from tests.conftest import Workspace, files_contract
from tests.support.command_line import PAGES, rag

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pipeline(workspace: Workspace, monkeypatch: Patch) -> Workspace:
    """Contracts, a golden set and a policy; no home yet."""
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.golden("questions", {"how many days of vacation": ["handbook/leave.md"]})
    workspace.policy({"questions": {}})
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    return workspace


def refused(monkeypatch: Patch, capsys: Capture, *words: str) -> str:
    """What a command that must not start says."""
    code, out, err = rag(monkeypatch, capsys, *words)
    assert (code, out) == (1, ""), err
    assert "Traceback" not in err
    return err


def loaded() -> str:
    """The error of the code location, as Dagster loads it; empty where there is none."""
    done = subprocess.run([sys.executable, "-c", "import rag_pipeline.definitions"], capture_output=True, text=True)
    return done.stderr


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("RAG_PROMOTON", "manual", "RAG_PROMOTION"),
        ("RAG_KEEP_RELEASE", "3", "RAG_KEEP_RELEASES"),
        ("RAG_PII_SLAT", "s", "RAG_PII_SALT"),
        ("rag_promoton", "manual", "RAG_PROMOTION"),
        ("RAG_PROMOTON", "", "RAG_PROMOTION"),
        ("RAG_HANDBOK_PASSWORD", "p", "RAG_HANDBOOK_PASSWORD"),
        ("RAG_HANDBOOK_PASWORD", "p", "RAG_HANDBOOK_PASSWORD"),
    ],
)
def test_a_name_that_means_nothing_stops_every_command_with_a_suggestion(
    pipeline: Workspace, monkeypatch: Patch, capsys: Capture, name: str, value: str, meant: str
) -> None:
    monkeypatch.setenv(name, value)
    for words in (("refresh",), ("status",), ("gc", "--dry-run")):
        assert f"{name} is set, but there is no such setting; did you mean {meant}?" in refused(monkeypatch, capsys, *words)
    assert not (pipeline.root / "home").exists()


def test_a_name_like_none_of_ours_is_refused_too(pipeline: Workspace, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setenv("RAG_ZZZ", "1")
    assert "RAG_ZZZ is set, but there is no such setting; docs/commands.md lists them" in refused(
        monkeypatch, capsys, "status"
    )


@pytest.mark.parametrize(
    "name", ["RAG_PII_SALT", "RAG_HANDBOOK_URL", "RAG_HANDBOOK_USER", "RAG_CRM_PASSWORD", "RAGTIME", "rag_actor"]
)
def test_settings_secrets_and_credentials_of_sources_are_known(pipeline: Workspace, monkeypatch: Patch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    load_settings()


@pytest.mark.parametrize("field", Settings.model_fields)
def test_an_empty_variable_is_as_one_that_is_not_set(monkeypatch: Patch, field: str) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"RAG_{name.upper()}", raising=False)
    monkeypatch.setenv(f"RAG_{field.upper()}", "")
    assert load_settings() == Settings()


def test_an_empty_home_is_the_default(pipeline: Workspace, monkeypatch: Patch) -> None:
    monkeypatch.setenv("RAG_HOME", "")
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.chdir(pipeline.root)
    code = "from rag_pipeline.settings import *; s = load_settings(); print(s.home, dagster_home(s.home))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(pipeline.root / ".rag"), str(pipeline.root / ".rag" / "dagster")]
    monkeypatch.setenv("RAG_HOME", "  ")
    with pytest.raises(PipelineError, match=r"RAG_HOME=.*the name of a folder is blank"):
        load_settings()


BAD: dict[str, tuple[dict[str, str], str]] = {
    "cron": ({"RAG_NIGHTLY_CRON": "0 25 * * *"}, "RAG_NIGHTLY_CRON='0 25 * * *': not a cron line; write five fields"),
    "cron of words": ({"RAG_COLLECTION_CRON": "weekly"}, "RAG_COLLECTION_CRON='weekly': not a cron line"),
    "cron of the watch": ({"RAG_EVALUATION_CRON": "* *"}, "RAG_EVALUATION_CRON='* *': not a cron line"),
    "owner": ({"RAG_OWNER": "anna"}, "RAG_OWNER='anna': an owner is an e-mail address, or team: and a name"),
    "model": ({"RAG_MODEL": "/no/such/folder"}, "RAG_MODEL=/no/such/folder: neither a folder nor a model"),
    "model package": ({"RAG_MODEL": "package:no_such"}, "RAG_MODEL=package:no_such: no installed package"),
    "chunks too long": ({"RAG_CHUNK_TOKENS": "99999"}, "RAG_CHUNK_TOKENS=99999 is more than the model reads"),
    "chunks too short": (
        {"RAG_CHUNK_TOKENS": "20", "RAG_CHUNK_MIN_TOKENS": "30"},
        "RAG_CHUNK_MIN_TOKENS=30 is more than RAG_CHUNK_TOKENS=20",
    ),
    "number": ({"RAG_KEEP_DAYS": "0"}, "RAG_KEEP_DAYS='0': Input should be greater than or equal to 1"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_setting_that_cannot_be_is_refused_before_a_run_starts(
    pipeline: Workspace, monkeypatch: Patch, capsys: Capture, what: str
) -> None:
    variables, says = BAD[what]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = refused(monkeypatch, capsys, "refresh")
    assert says in told
    assert not (pipeline.root / "home").exists(), "no run was started"
    assert not (pipeline.root / "dagster").exists()


@pytest.mark.parametrize("what", ["cron", "owner", "chunks too long", "chunks too short"])
def test_the_code_location_says_the_same(pipeline: Workspace, monkeypatch: Patch, what: str) -> None:
    variables, says = BAD[what]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert f"rag_pipeline.errors.PipelineError: {says}" in loaded()


def test_the_code_location_knows_names_homes_and_policies_too(pipeline: Workspace, monkeypatch: Patch) -> None:
    (pipeline.root / "evals" / "gate.yaml").write_text("channels: {staging: {golden_sets: {questions: {}}}}\n")
    assert "gate.yaml:1: channels: no channel is called production" in loaded()
    (pipeline.root / "home").mkdir()
    (pipeline.root / "home" / "thesis.docx").write_text("mine")
    assert f"RAG_HOME={(pipeline.root / 'home')} is not a pipeline's home: it holds thesis.docx" in loaded()
    monkeypatch.setenv("RAG_PROMOTON", "manual")
    assert "did you mean RAG_PROMOTION?" in loaded()


def test_what_dagster_takes_for_an_owner_and_what_the_settings_take_is_the_same() -> None:
    for owner in (
        "team:x",
        "team:a b",
        "a@b.com",
        "a.b+c@d-e.org",
        "team:",
        "team",
        "a@b",
        "@b.com",
        "a b@c.com",
        "a@b.museums",
    ):
        try:
            dg.AssetSpec("tried", owners=[owner])
        except dg.DagsterInvalidDefinitionError:
            with pytest.raises(ValueError, match="an owner is"):
                Settings(owner=owner)
        else:
            assert Settings(owner=owner).owner == owner


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefgh")
)
"""Under 300 bytes that stand for 43 million values."""

POLICIES: dict[str, tuple[str, str]] = {
    "no production": (
        "channels:\n  staging: {golden_sets: {questions: {}}}\n",
        "gate.yaml:1: channels: no channel is called production, which is what users are answered from; found: staging",
    ),
    "a time of day": (
        "channels:\n  production:\n    evidence_max_age_hours: 24:00\n    golden_sets: {questions: {}}\n",
        "gate.yaml:3: channels.production.evidence_max_age_hours: Input should be a valid number",
    ),
    "infinite": (
        "channels:\n  production:\n    evidence_max_age_hours: .inf\n    golden_sets: {questions: {}}\n",
        "gate.yaml:3: channels.production.evidence_max_age_hours: Input should be a valid number",
    ),
    "no number": (
        "channels:\n  production:\n    latency: {p95_ms: .nan}\n    golden_sets: {questions: {}}\n",
        "gate.yaml:3: channels.production.latency.p95_ms: Input should be a valid number",
    ),
    "as large as no number is": (
        "channels:\n  production:\n    latency: {p95_ms: 1.0e+999}\n    golden_sets: {questions: {}}\n",
        "gate.yaml:3: channels.production.latency.p95_ms: Input should be a finite number",
    ),
    "yes": (
        "channels:\n  production:\n    evidence_max_age_hours: yes\n    golden_sets: {questions: {}}\n",
        "gate.yaml:3: channels.production.evidence_max_age_hours: Input should be a valid number",
    ),
    "a bomb": (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
            for before, name in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "holds more than 50,000 values",
    ),
    "nested": (
        f"channels: {'[' * 100_000}{']' * 100_000}\n",
        "gate.yaml:1: not valid YAML: values are nested more",
    ),
}


@pytest.mark.parametrize("what", POLICIES)
def test_a_policy_that_cannot_be_kept_is_refused_before_a_run_starts(
    pipeline: Workspace, monkeypatch: Patch, capsys: Capture, what: str
) -> None:
    content, says = POLICIES[what]
    (pipeline.root / "evals" / "gate.yaml").write_text(content)
    assert says in refused(monkeypatch, capsys, "refresh")
    assert not (pipeline.root / "home").exists()


def test_rows_nested_deep_are_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    from rag_pipeline.connectors import BrokenRow
    from rag_pipeline.connectors.table.connector import _jsonl

    for depth in (150, 900, 100_000):
        file = tmp_path / "rows.jsonl"
        file.write_text(f'{{"id": "1", "text": {"[" * depth}{"]" * depth}}}\n{{"id": "2", "text": "good"}}\n')
        broken, good = _jsonl(file)
        assert isinstance(broken, BrokenRow)
        assert "deep" in broken.problem
        assert good == {"id": "2", "text": "good"}


@pytest.mark.parametrize(
    ("content", "says"), [(BOMB, "50,000 values"), (f"a: {'[' * 100_000}\n", "64 deep"), ("- " * 5_000, "64 deep")]
)
def test_a_contract_that_would_hang_or_break_python_is_one_sentence(
    pipeline: Workspace, monkeypatch: Patch, capsys: Capture, content: str, says: str
) -> None:
    file = pipeline.root / "contracts" / "handbook.odcs.yaml"
    file.write_text(content)
    told = refused(monkeypatch, capsys, "refresh")
    assert told.startswith(f"rag: {file}:")
    assert says in told
    assert told.count("\n") == 1


def test_a_question_nested_deep_is_one_sentence(pipeline: Workspace, monkeypatch: Patch, capsys: Capture) -> None:
    file = pipeline.root / "evals" / "questions" / "queries.jsonl"
    file.write_text(f'{{"_id": "q0", "text": {"[" * 100_000}{"]" * 100_000}}}\n')
    code, out, err = rag(monkeypatch, capsys, "golden", "check", "questions")
    assert code == 1
    assert f"{file}:1: values are nested too deep; write them flatter" in (out + err).replace("\n", " ")
