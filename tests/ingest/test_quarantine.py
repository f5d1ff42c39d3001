"""Looking into the quarantine and judging again: in the library, and as people type it."""

import json
from typing import Any

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.ingest.quarantine import judge_again, refused_row, refused_rows
from tests.conftest import Workspace, column, table_contract
from tests.support.command_line import as_json, rag
from tests.support.feeds import Feed, limits, row

SECRET = "s3cr3t-v4lue"


@pytest.fixture
def reviews(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """A table whose second and third row are refused, one of them twice over; and what the command line needs."""
    path = workspace.root / "feed" / "*.jsonl"
    stars = column("stars", logicalType="integer")
    feed = Feed(workspace, "reviews", table_contract(path, "jsonl", stars, customProperties=limits(100, 100)))
    feed.rows("a.jsonl", [row("1", stars=1), row("2", stars=SECRET), row(None, stars=SECRET)])
    feed.rows("b.jsonl", [row("4", stars=4)])
    workspace.golden("questions", {"when do owls hunt": ["reviews/1"]})
    workspace.policy({"questions": {}})
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    feed.load()
    return feed


def test_refusals_are_listed_in_order_with_every_reason_and_without_their_values(reviews: Feed) -> None:
    rows = refused_rows(reviews.home, ["reviews"])
    assert [(one.item, one.row, one.kind, one.status, one.why) for one in rows] == [
        ("a.jsonl", 1, "refused", "open", "stars is not a valid integer"),
        ("a.jsonl", 2, "refused", "open", "id is missing or blank; stars is not a valid integer"),
    ]
    assert SECRET not in repr(rows)


def test_settled_refusals_are_listed_when_asked_for(reviews: Feed) -> None:
    reviews.rows("a.jsonl", [row("1", stars=1), row("2", stars=2)])
    reviews.load()
    assert refused_rows(reviews.home, ["reviews"]) == []
    assert {one.status for one in refused_rows(reviews.home, ["reviews"], resolved=True)} == {"resolved"}


def test_a_source_that_was_never_loaded_has_no_refusals(home: Home) -> None:
    assert refused_rows(home, ["never"]) == []


def test_one_row_is_shown_with_its_values_by_the_beginning_of_its_id(reviews: Feed) -> None:
    first = refused_rows(reviews.home, ["reviews"])[0]
    found = refused_row(reviews.home, ["reviews"], first.quarantine_id[:12])
    assert found.raw == row("2", stars=SECRET)


@pytest.mark.parametrize(("wanted", "words"), [("zz", "no refused row has an id"), ("", "2 refused rows have an id")])
def test_an_id_that_is_not_one_row_s_is_an_error_that_says_where_to_look(reviews: Feed, wanted: str, words: str) -> None:
    with pytest.raises(PipelineError, match=f"{words} that begins with '{wanted}'; `rag quarantine list` shows the ids"):
        refused_row(reviews.home, ["reviews"], wanted)


def test_judging_again_reads_the_items_with_refusals_and_no_others(reviews: Feed) -> None:
    assert reviews.load().items_read == 0
    from rag_pipeline.contracts.read import read_contract

    contract = read_contract(reviews.workspace.contract("reviews", reviews.content))
    assert judge_again(contract, reviews.home) == 1
    report = reviews.load()
    assert (report.items_read, report.open_refusals) == (1, 2)


# ---------------------------------------------------------------------------------------------------- `rag quarantine`

Capture = pytest.CaptureFixture[str]


def test_list_tells_reasons_and_no_value_in_words_and_in_json(
    reviews: Feed, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = rag(monkeypatch, capsys, "quarantine", "list")
    assert code == 0 and "id is missing or blank; stars is not a valid integer" in out and SECRET not in out
    code, out, _ = rag(monkeypatch, capsys, "quarantine", "list", "--source", "reviews", "--json")
    told: list[dict[str, Any]] = as_json(out)["rows"]
    assert [one["row"] for one in told] == [1, 2]
    assert told[0]["reasons"] == [{"rule": "type", "column": "stars", "message": "is not a valid integer"}]
    assert "raw" not in told[0] and SECRET not in out


def test_show_tells_the_values_in_words_and_in_json(reviews: Feed, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    wanted = refused_rows(reviews.home, ["reviews"])[0].quarantine_id[:10]
    code, out, _ = rag(monkeypatch, capsys, "quarantine", "show", wanted)
    assert code == 0 and SECRET in out and "is not a valid integer" in out
    code, out, _ = rag(monkeypatch, capsys, "quarantine", "show", wanted, "--json")
    assert (code, as_json(out)["raw"]) == (0, row("2", stars=SECRET))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["list", "--source", "other"], "no source 'other'; known: reviews"),
        (["retry", "other"], "no source 'other'; known: reviews"),
        (["show", "zz"], "no refused row has an id that begins with 'zz'; `rag quarantine list` shows the ids"),
    ],
)
def test_what_is_not_known_is_one_line_and_exit_code_1(
    reviews: Feed, monkeypatch: pytest.MonkeyPatch, capsys: Capture, words: list[str], says: str
) -> None:
    assert rag(monkeypatch, capsys, "quarantine", *words) == (1, "", f"rag: {says}\n")


def test_retry_accepts_what_the_contract_as_it_is_now_accepts_and_keeps_the_rest(
    reviews: Feed, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    reviews.content["schema"][0]["properties"][2]["logicalType"] = "string"
    reviews.workspace.contract("reviews", reviews.content)
    code, out, _ = rag(monkeypatch, capsys, "quarantine", "retry", "reviews", "--json")
    told = as_json(out)
    assert (code, told["items_read"], told["success"], told["open"]) == (0, 1, True, 1)
    assert reviews.documents().keys() == {"1", "2", "4"}
    (left,) = reviews.quarantine("open")
    assert [reason["column"] for reason in json.loads(left["reasons"])] == ["id"]
    code, out, _ = rag(monkeypatch, capsys, "quarantine", "retry", "reviews")
    assert (code, out) == (0, "1 items read again: 0 refusals resolved, 1 open\n")


def test_an_empty_quarantine_is_told_in_words(reviews: Feed, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    reviews.rows("a.jsonl", [row("1", stars=1)])
    reviews.load()
    assert rag(monkeypatch, capsys, "quarantine", "list")[:2] == (0, "no row is refused\n")
