"""A source that vanished or shrank on its way to production is refused until a person says so."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs.run import Ran, refresh
from rag_pipeline.errors import GoldenSetError
from rag_pipeline.gate.policy import ChannelPolicy, Policy
from rag_pipeline.gate.shrink import InProduction, shrunk_sources
from tests.conftest import Workspace, files_contract
from tests.pipeline.conftest import LENIENT, PAGES, begin, handbook, run
from tests.support.command_line import rag
from tests.support.gate_cases import GATE, REGRESSED, Case, policy_of

__all__ = ["begin", "handbook", "run"]
Run = Callable[..., Ran]

OVERRIDE = "if that is meant: `rag promote new --override --by NAME --reason WHY`"


def limited(policy: Policy, percent: float | None) -> Policy:
    channel = policy.channels["production"].model_copy(update={"sources_may_shrink_percent": percent})
    return replace(policy, channels={"production": channel})


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (100, 80, False),
        (100, 79, True),
        (100, 100, False),
        (100, 300, False),
        (3, 2, False),
        (1, 0, False),
        (2, 0, True),
        (5, 4, False),
        (4, 2, True),
        (0, 0, False),
        (0, None, False),
        (1, None, True),
        (100, None, True),
    ],
)
def test_a_source_may_lose_a_fifth_or_one_document_but_not_vanish(
    policy: Policy, before: int, after: int | None, refused: bool
) -> None:
    candidate = {"other": 5} | ({} if after is None else {"wiki": after})
    reasons = shrunk_sources(policy, "production", "new", InProduction({"wiki": before, "other": 5}), candidate)
    assert [reason.outcome for reason in reasons] == ([REGRESSED] if refused else [])
    assert all(OVERRIDE in reason.message for reason in reasons)


@pytest.mark.parametrize(
    ("before", "erased", "after", "refused"),
    [(50, 20, 30, False), (50, 20, 23, True), (50, 50, None, False), (50, 49, None, True), (50, 20, 60, False)],
)
def test_what_had_to_go_is_not_missed(policy: Policy, before: int, erased: int, after: int | None, refused: bool) -> None:
    candidate = {} if after is None else {"wiki": after}
    held = InProduction({"wiki": before}, erased={"wiki": erased})
    assert bool(shrunk_sources(policy, "production", "new", held, candidate)) is refused


@pytest.mark.parametrize(
    ("percent", "after", "refused"),
    [(None, 0, False), (None, None, False), (100, 0, False), (100, None, True), (0, 9, False), (0, 8, True), (50, 5, False)],
)
def test_how_much_may_go_is_a_demand_of_the_channel(
    policy: Policy, percent: float | None, after: int | None, refused: bool
) -> None:
    candidate = {} if after is None else {"wiki": after}
    assert (
        bool(shrunk_sources(limited(policy, percent), "production", "new", InProduction({"wiki": 10}), candidate)) is refused
    )


def test_the_gate_refuses_with_the_figure_the_line_and_the_command(
    case: Case, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = GATE.replace("    approximate_recall_min", "    sources_may_shrink_percent: 10\n    approximate_recall_min")
    demanding = policy_of(tmp_path_factory.mktemp("evals"), text)
    case.policy = demanding
    case.facts_are(documents={"wiki": 70}, in_production=InProduction({"wiki": 100, "faq": 3}))
    faq, wiki = case.decide().reasons
    assert str(wiki) == (
        "source wiki: it has 70 documents, 30.0 % less than the 100 in production; at most 10 % may go (one document always "
        f"may); {OVERRIDE} (gate.yaml:6)"
    )
    assert str(faq).startswith(
        "source faq, 3 documents in production, is not in it at all; was its contract removed by mistake?"
    )


def test_where_production_cannot_say_what_it_held_nothing_is_shown(case: Case) -> None:
    case.facts_are(documents={"wiki": 70}, in_production=InProduction({}, unreadable="old is not a release"))
    assert case.decide().outcome == "could not be evaluated"
    assert "nobody can tell whether a source shrank: old is not a release" in str(case.decide().reasons[0])


def test_the_demand_is_checked_and_makes_no_evidence_stale(policy: Policy, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert ChannelPolicy.model_fields["sources_may_shrink_percent"].default == 20
    assert limited(policy, 5).fingerprint("production") == policy.fingerprint("production"), "nothing is measured for it"
    for wrong in ("-1", "101", "many", ".nan"):
        text = GATE.replace(
            "    approximate_recall_min", f"    sources_may_shrink_percent: {wrong}\n    approximate_recall_min"
        )
        with pytest.raises(GoldenSetError, match=r"gate\.yaml:6: channels\.production\.sources_may_shrink_percent"):
            policy_of(tmp_path_factory.mktemp("evals"), text)


def refusals(ran: Ran) -> str:
    return " ".join(one.description for one in ran.failed_checks if one.check == "candidate_meets_the_policy")


def test_a_contract_removed_by_mistake_does_not_empty_production(handbook: Workspace, begin: Run) -> None:
    other = handbook.pages({"a.md": "# Gardens\n\nWater the roses in the morning.\n"}, folder="other")
    file = handbook.contract("garden", files_contract(other, id="garden", **LENIENT))
    begin()
    serves = serving(handbook.home)
    file.rename(handbook.root / "garden.odcs.yaml")
    says = refusals(refresh(handbook.settings))
    assert "source garden, 1 documents in production, is not in it at all" in says
    assert "gate.yaml" in says
    assert serving(handbook.home) == serves
    (handbook.root / "garden.odcs.yaml").rename(file)
    assert refusals(refresh(handbook.settings)) == ""


@pytest.mark.slow
def test_a_source_that_shrank_is_promoted_when_a_person_says_so(
    handbook: Workspace, begin: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three of six pages are less than volumeMaxDropPercent of the contract, which holds one load to the one before."""
    begin()
    first = serving(handbook.home)
    gone = [name for name in PAGES if name not in ("leave.md", "travel.md", "it/printers.md")]
    for name in gone:
        (handbook.root / "pages" / name).unlink()
    handbook.policy({"questions": {"floors": {"nDCG@10": 0.1}, "not_worse": None, "dead_judgments_max_percent": 50}})
    ran = refresh(handbook.settings)
    assert "volume_is_as_usual" not in {one.check for one in ran.failed_checks}, "three documents are few"
    assert "source handbook: it has 3 documents, 50.0 % less than the 6 in production; at most 20 % may go" in refusals(ran)
    assert serving(handbook.home) == first
    candidate = ran.assets["index/candidate"]["release"]
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(handbook.settings, name)))
    code, _, err = rag(monkeypatch, capsys, "promote", candidate)
    assert code == 3 and f"`rag promote {candidate} --override --by NAME --reason WHY`" in err
    assert rag(monkeypatch, capsys, "promote", candidate, "--override", "--by", "ana", "--reason", "meant")[0] == 0
    assert serving(handbook.home) == candidate
    assert rag(monkeypatch, capsys, "rollback", "--by", "ana", "--reason", "not meant")[0] == 0
    assert serving(handbook.home) == first, "going back asks nothing of the kind"
