"""A text that cannot be looked through for private data is not stored: its item is unreadable, or its row refused."""

import json
import random

import pytest

from rag_pipeline.errors import Unreadable
from tests.conftest import Workspace, files_contract, table_contract
from tests.support.feeds import Feed, limits
from tests.support.private_values import column, masked, shield

_DIGITS = random.Random(3)
HEAP = "".join(f"0{_DIGITS.randrange(10)}/" for _ in range(4_000))
MASKED = [{"property": "piiPolicy", "value": "scan-and-mask"}, {"property": "piiRegions", "value": ["DE"]}]


def test_a_heap_of_digits_is_told_by_its_column_and_none_of_it_is_shown() -> None:
    looking = shield(
        column("path", "scan-and-mask", "key", regions=("DE",)), column("text", "scan-and-mask", regions=("DE",))
    )
    with pytest.raises(Unreadable, match=r"column text: the search for private data ends after .* heap of digits") as told:
        looking.protect({"path": "a.md", "text": f"Numbers: {HEAP}"})
    assert HEAP[:20] not in str(told.value)
    assert looking.message(HEAP) == "(not shown: it holds private data that cannot be masked)"
    assert HEAP[:20] not in looking.shown(HEAP)


def test_zeros_by_the_page_are_looked_through_to_the_end() -> None:
    page = "0 0 0 0 " * 5_000
    text = f"{page}jane@example.com, 030 901820\n{page}"
    assert masked(text, salt="", regions=("DE", "US")) == f"{page}<EMAIL_ADDRESS>, <PHONE_NUMBER>\n{page}"


def test_an_item_that_cannot_be_looked_through_is_unreadable_and_its_last_text_stays(workspace: Workspace) -> None:
    feed = Feed(workspace, "handbook", files_contract(workspace.root / "feed", customProperties=limits(90, 90) + MASKED))
    feed.write("a.md", "Owls hunt at night.\n")
    feed.write("b.md", "Herons wait.\n")
    feed.load()
    feed.write("a.md", f"Owls and {HEAP}\n")
    report = feed.load()
    assert (report.outcome, report.unreadable, report.removed, report.documents) == ("accepted", 1, (), 2)
    assert feed.texts()["a.md"] == "Owls hunt at night.\n"
    (entry,) = feed.quarantine("open")
    assert (entry["item"], entry["kind"]) == ("a.md", "unreadable")
    assert "column text: the search for private data ends after" in entry["reasons"]
    feed.write("a.md", "Owls hunt mice.\n")
    assert feed.load().open_refusals == 0


def test_a_row_that_cannot_be_looked_through_is_refused_and_the_others_go_on(workspace: Workspace) -> None:
    path = workspace.root / "feed" / "rows.jsonl"
    feed = Feed(workspace, "reviews", table_contract(path, "jsonl", customProperties=limits(90, 90) + MASKED))
    rows = [{"id": "1", "text": "Owls hunt at night."}, {"id": "2", "text": HEAP}, {"id": "3", "text": "Herons wait."}]
    feed.write("rows.jsonl", "\n".join(map(json.dumps, rows)))
    report = feed.load()
    assert (report.outcome, report.documents, report.refused, report.unreadable) == ("accepted", 2, 1, 0)
    (entry,) = feed.quarantine("open")
    assert (entry["row"], entry["kind"]) == (1, "refused")
