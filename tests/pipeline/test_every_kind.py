"""A data owner's folder: a file of every kind and a broken one beside it, drafted and refreshed: all is accounted for."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.defs.run import refresh
from rag_pipeline.drafting import DraftRequest, draft_contract
from rag_pipeline.host.status import status_now
from rag_pipeline.settings import NO_SECRETS
from tests.conftest import Workspace
from tests.pipeline.conftest import FLOORS
from tests.support.broken_files import WHOLE, broken
from tests.support.made_documents import mail, xlsx

PRICES = xlsx(
    ("Winter", [["Bird", "Price"], ["Stuffed barn owl", 19.99]]), ("Summer", [["Bird", "Price"], ["Grey heron", 5]])
)


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    """Beside the pairs: a workbook of two sheets, a mail with a table, and two files of kinds that nothing reads."""
    folder = workspace.root / "pages"
    folder.mkdir()
    for kind, make in WHOLE.items():
        (folder / f"owls{kind}").write_bytes(make())
        (folder / f"broken{kind}").write_bytes(next(iter(broken(kind).values())))
    (folder / "prices.xlsx").write_bytes(PRICES)
    message = mail("Feeding times", "Feed the herons at noon, and the owls at dusk.")
    message.add_attachment(b"a,b", maintype="text", subtype="csv", filename="times.csv")
    (folder / "feeding.eml").write_bytes(message.as_bytes())
    for name in ("old.doc", "scan.tiff"):
        (folder / name).write_bytes(b"x")
    return folder


def test_a_folder_of_every_kind_with_a_broken_one_of_each_is_accounted_for(workspace: Workspace, folder: Path) -> None:
    wish = DraftRequest((str(folder),), workspace.settings.contracts, source="handbook", owner="docs")
    draft = draft_contract(wish, NO_SECRETS, datetime.now(UTC), replace=False)
    kinds = "files of kinds that are not read: 1 with .csv in mails, 1 with .doc, 1 with .pdf in mails, 1 with .tiff"
    assert (
        draft.looked_at
        == f"{2 * len(WHOLE) + 2} documents (all that are there), of which {len(WHOLE)} cannot be read; {kinds}"
    )
    assert any(f"{len(WHOLE)} of what was looked at cannot be read, the first because: " in one for one in draft.decide)
    draft.write(replace=False)
    workspace.golden("questions", {"what does a heron cost": ["handbook/prices.xlsx#Summer"]})
    workspace.policy({"questions": FLOORS})

    ran = refresh(workspace.settings)

    assert ran.success, ran.errors
    told = ran.assets["handbook/documents"]
    assert told["documents"] == len(WHOLE) + 3
    assert (told["items_listed"], told["rows_good"], told["rows_refused"]) == (
        2 * len(WHOLE) + 2,
        len(WHOLE) + 3,
        len(WHOLE),
    )
    unread = [tuple(record.data.values()) for record in told["files_of_kinds_not_read"].records]
    assert unread == [(suffix, 1) for suffix in (".csv in mails", ".doc", ".pdf in mails", ".tiff")]
    [nothing] = told["left_out_of_documents"].records
    assert "nothing of " in str(nothing.data)
    refused = ran.assets["handbook/quarantine"]
    assert refused["open"] == len(WHOLE)
    items = {record.data["item"] for record in refused["refused"].records}
    assert {f"broken{kind}" for kind in WHOLE} <= items
    checks = {one.check: one.description for one in ran.failed_checks if one.asset == "handbook/documents"}
    assert "1 with .doc" in checks["no_new_kind_of_file_is_left_out"]
    assert ran.assets["index/production"]["promoted"] is True
    (source,) = status_now(workspace.settings, datetime.now(UTC))["sources"]
    assert (source["documents"], source["refused"], source["outcome"]) == (len(WHOLE) + 3, len(WHOLE), "accepted")
