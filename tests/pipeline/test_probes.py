"""Ten judged questions and two hundred probes, night after night, through the real graph."""

from collections.abc import Callable
from typing import Any

import pytest

from rag_pipeline.channels.audit import audit_table
from rag_pipeline.channels.pointer import read_channel, serving
from rag_pipeline.cli.summary import summarize
from rag_pipeline.defs.run import Ran, refresh
from rag_pipeline.golden.made_probes import Asked, Draw, make_probes
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import LENIENT

_NAMES = """
holidays trains laptops visitors parking lunches telephones bicycles printers passwords invoices contracts keys badges
trainings languages mentors gifts surveys cameras microphones desks chairs lamps plants windows heating elevators
kitchens coffee cleaning recycling parcels couriers stamps archives scanners projectors whiteboards calendars meetings
interviews salaries bonuses pensions insurance doctors vaccinations first-aid fire-drills alarms locks safes donations
sponsors newsletters websites logos brochures fairs customers complaints refunds warranties deliveries warehouses
forklifts pallets suppliers tenders audits budgets taxes receipts expenses hotels flights taxis visas passports
translations apprentices internships sabbaticals parents caregivers sports choirs libraries magazines patents licences
"""
THINGS = _NAMES.split()
ASKED = ["trains", "laptops", "parking", "passwords", "pensions", "forklifts", "passports", "choirs", "alarms", "refunds"]


def page(thing: str, number: int) -> str:
    return (
        f"# All about {thing} in this house\n\nWhoever has a question about {thing} asks the team of room {number}. "
        f"There are rules for {thing}, and everybody keeps them.\n\n## Who pays for the {thing} we need\n\nThe budget of "
        f"department {number % 7} pays for {thing} up to {number * 10} euros a year.\n\n## How {thing} are ordered in "
        f"advance\n\nOrders of {thing} are written {number % 5 + 2} days ahead and signed by two people.\n"
    )


PAGES = {f"{thing}.md": page(thing, number) for number, thing in enumerate(THINGS, start=1)}


def against(told: dict[str, Any]) -> str:
    """Everything a refresh says of what went wrong."""
    return " ".join([*told["errors"], *(check["description"] or "" for check in told["failed_checks"])])


@pytest.fixture
def house(workspace: Workspace) -> Workspace:
    workspace.contract("house", files_contract(workspace.pages(PAGES), **LENIENT))
    workspace.golden("questions", {f"whom do I ask about {thing}": [f"house/{thing}.md"] for thing in ASKED})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.5}}})
    return workspace


@pytest.fixture
def night(house: Workspace) -> Callable[..., dict[str, Any]]:
    """A refresh after some pages changed: what `rag refresh --json` tells."""

    def refreshed(**changed: str) -> dict[str, Any]:
        house.pages({f"{name}.md": text for name, text in changed.items()})
        ran: Ran = refresh(house.settings)
        return summarize(ran, house.settings)

    return refreshed


@pytest.mark.slow
def test_probes_let_ten_questions_pass_what_cannot_matter_and_nothing_else(
    house: Workspace, night: Callable[..., dict[str, Any]]
) -> None:
    first = night()
    assert first["promoted"], first["errors"]
    assert "10 judged queries can refuse a release; on their own they cannot pass one (about 1" in first["judged_queries"]
    sentence = PAGES["lamps.md"] + "\nNew bulbs lie in the cupboard beside the door.\n"
    alone = night(lamps=sentence)
    assert (alone["promoted"], alone["verdict"]) == (False, "inconclusive")
    hint = (
        "with 200 probes in evals/questions/probes.jsonl this could be told without judgments: `rag golden probes questions`"
    )
    assert hint in against(alone)

    made = make_probes(house.settings.evals, "questions", Asked(house.home, ["house"]), Draw(200))
    assert len(made.probes) == 200 and set(made.made_from) >= {"title", "heading"}
    told = night()
    assert told["promoted"], told["errors"]
    assert told["texts_embedded"] == 0 and not told["built"], "the same release, measured again"
    assert "passed without judgments: expected loss of nDCG@10 0.0" in told["notes"]
    [moved] = audit_table(house.home).scan().filter(release=told["release"], action="promoted").collect().to_dicts()
    assert "passed without judgments" in moved["reasons"]

    grown = night(lamps=sentence + "\nThe old ones go back.\n", rooftop=page("rooftops", 200), ladders=page("ladders", 201))
    assert grown["promoted"], grown["errors"]
    channel = read_channel(house.home, "production")
    assert channel is not None and channel.sequence == 3

    emptied = night(pensions="# Empty\n\nThis page was moved to another place, and nobody knows where it is.\n")
    assert (emptied["promoted"], serving(house.home)) == (False, grown["release"])
    assert "1 judged queries lost their answer (q4)" in against(emptied) or emptied["verdict"] == "regressed"
    unasked = {name.removesuffix(".md"): "# Empty\n\nNothing is said here any more.\n" for name in list(PAGES)[40:52]}
    house.pages({"pensions.md": PAGES["pensions.md"]})
    hollow = night(**{name: text for name, text in unasked.items() if name not in ASKED})
    assert not hollow["promoted"], "no judged answer is lost, but a tenth of the pages says nothing any more"
    assert "its probes do not show it either" in against(hollow)
