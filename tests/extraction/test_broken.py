"""Of each kind broken files in a folder with good ones: told as items that cannot be read, and the rest goes on."""

from rag_pipeline.extraction.kinds import PARSED, TO_THE_LETTER
from rag_pipeline.ingest.tables import source_tables
from tests.conftest import Workspace, files_contract
from tests.support.broken_files import SAYS, WHOLE, broken
from tests.support.feeds import Feed


def test_every_kind_that_is_read_has_a_file_here() -> None:
    twins = {".htm": ".html", ".xlsm": ".xlsx", ".asciidoc": ".adoc", **dict.fromkeys(TO_THE_LETTER, ".md")}
    assert {twins.get(suffix, suffix) for suffix in PARSED.keys() | TO_THE_LETTER} == WHOLE.keys()


def test_broken_files_are_told_and_the_rest_goes_on(workspace: Workspace) -> None:
    contract = files_contract("../feed", customProperties=[{"property": "quarantineMaxPercent", "value": 90}])
    feed, wrong = Feed(workspace, "handbook", contract), set[str]()
    for kind, make in WHOLE.items():
        feed.write(f"good{kind}", make())
        for way, content in broken(kind).items():
            feed.write(f"{way}{kind}", content)
            wrong.add(f"{way}{kind}")
    report = feed.load()
    rows = source_tables(workspace.home, "handbook")
    refused = rows.quarantine.scan().collect()
    assert dict(zip(refused["item"], refused["kind"], strict=True)) == dict.fromkeys(wrong, "unreadable")
    assert (report.outcome, report.unreadable, report.losses.lossy) == ("accepted", len(wrong), 0)
    good = rows.documents.scan().collect()
    assert {name.removesuffix("#Owls") for name in good["document_id"]} == {f"handbook/good{kind}" for kind in WHOLE}
    assert all(SAYS in text for text in good["text"])
    assert report.losses.not_read == {".pdf in mails": 1}
    assert report.losses.new_suffixes == (".pdf in mails",)
    assert feed.load().losses.new_suffixes == ()
