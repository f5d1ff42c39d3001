"""Three pages and two questions, as a home in a bucket is tested with them."""

from rag_pipeline.channels.pointer import serving
from rag_pipeline.corpus.model import model_of
from rag_pipeline.index.retrieve import encoder_for, open_release
from rag_pipeline.settings import Settings
from tests.conftest import Workspace, files_contract

PAGES = {
    "leave.md": "# Leave\n\nEvery employee has thirty days of paid holiday each year. Ask your manager two weeks ahead.\n",
    "travel.md": "# Travel\n\nBook trains in second class. Flights need the approval of the head of department.\n",
    "laptops.md": "# Laptops\n\nEncrypt the disk of every laptop. Report a stolen laptop within one hour.\n",
}
QUESTIONS = {"how many days of vacation do I get": ["handbook/leave.md"], "my computer was stolen": ["handbook/laptops.md"]}


def write_handbook(workspace: Workspace) -> Workspace:
    workspace.contract("handbook", files_contract(workspace.pages(PAGES)))
    workspace.golden("questions", QUESTIONS)
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}, "not_worse": None}})
    return workspace


def answers(settings: Settings) -> dict[str, list[str]]:
    """Question -> ids of the ten best chunks in production."""
    release = serving(settings.home)
    assert release is not None
    with open_release(settings.home, release) as opened:
        encoder = encoder_for(settings.home, opened.manifest, model_of(settings))
        return {one: [hit.chunk_id for hit in opened.search(encoder.queries([one])[0], 10)] for one in QUESTIONS}
