"""A small handbook that goes through the real graph: real Delta, real model, real Chroma, real Dagster runs."""

from collections.abc import Callable

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.run import Ran, refresh
from rag_pipeline.index.retrieve import encoder_for, open_release
from tests.conftest import Workspace, files_contract
from tests.support.built_once import BuiltOnce, content_of

Run = Callable[..., Ran]
Ask = Callable[[str], list[str]]

PAGES = {
    "leave.md": "# Leave\n\nEvery employee has thirty days of paid holiday each year. Ask your manager two weeks ahead.\n",
    "travel.md": "# Travel\n\nBook trains in second class. Flights need the approval of the head of department.\n",
    "security/passwords.md": "# Passwords\n\nUse a password manager. Never send a password by e-mail or chat.\n",
    "security/laptops.md": "# Laptops\n\nEncrypt the disk of every laptop. Report a stolen laptop within one hour.\n",
    "it/printers.md": "# Printers\n\nThe printer on the second floor takes paper of size A3. Toner is in the cupboard.\n",
    "food/canteen.md": "# Canteen\n\nLunch is served from noon until two. Vegetarian dishes are marked green on the menu.\n",
}

QUESTIONS = {
    "how many days of vacation do I get": ["handbook/leave.md"],
    "may I fly to a customer": ["handbook/travel.md"],
    "where do I keep my passwords": ["handbook/security/passwords.md"],
    "my computer was stolen": ["handbook/security/laptops.md"],
    "print on large paper": ["handbook/it/printers.md"],
    "when can I eat": ["handbook/food/canteen.md"],
}

FLOORS = {"floors": {"nDCG@10": 0.6}, "not_worse": None, "dead_judgments_max_percent": 50}


@pytest.fixture
def handbook(built_once: BuiltOnce, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """One source of six pages, one golden set of six questions, a policy with a floor."""
    workspace = Workspace(built_once.empty("handbook"))
    monkeypatch.setenv("DAGSTER_HOME", str(workspace.root / "dagster"))
    workspace.contract("handbook", files_contract(workspace.pages(PAGES), **LENIENT))
    workspace.golden("questions", QUESTIONS)
    workspace.policy({"questions": FLOORS})
    return workspace


LENIENT = {
    "customProperties": [
        {"property": "quarantineMaxPercent", "value": 50},
        {"property": "volumeMaxDropPercent", "value": 60},
    ]
}


@pytest.fixture
def run(handbook: Workspace) -> Callable[..., Ran]:
    """Refresh the handbook as `rag refresh` does."""
    return lambda **how: refresh(handbook.settings, **how)


@pytest.fixture
def begin(handbook: Workspace, built_once: BuiltOnce) -> Callable[[], Ran]:
    """The first refresh of the handbook, where nothing but its files can make a difference.

    What a test before began with, byte for byte, is not refreshed a second time: its result is put back.
    """

    def first_refresh() -> Ran:
        made = {path.name for path in handbook.root.iterdir()} & {"home", "dagster"}
        assert not made, f"this is not the first refresh: {made}"
        return built_once.state(handbook.root, content_of(handbook.root), lambda: refresh(handbook.settings))

    return first_refresh


@pytest.fixture
def ask(handbook: Workspace) -> Callable[[str], list[str]]:
    """Document ids production answers with, best first."""

    def answer(question: str) -> list[str]:
        release = serving(handbook.home)
        assert release is not None
        with open_release(handbook.home, release) as opened:
            encoder = encoder_for(handbook.home, opened.manifest, model_of(handbook.settings))
            return [hit.document_id for hit in opened.search(encoder.queries([question])[0], 10)]

    return answer
