"""What documents lack is kept with their items and told night after night; so are files of kinds that are not read."""

from dataclasses import replace
from pathlib import Path

import pytest

from rag_pipeline.connectors import ReadContext, look_at
from rag_pipeline.connectors.files import FilesServer
from rag_pipeline.connectors.files.connector import Files
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.drafting.looked_at import how_much, why_nothing
from rag_pipeline.errors import ContractError
from tests.conftest import Workspace, files_contract
from tests.support.feeds import Feed, server_of
from tests.support.made_documents import with_comment


@pytest.fixture
def feed(workspace: Workspace) -> Feed:
    feed = Feed(workspace, "handbook", files_contract("../feed"))
    feed.write("owls.docx", with_comment("The owl hunts at night, and sleeps by day.", "Is this so in summer as well?"))
    feed.write("herons.docx", with_comment("The heron hunts by day, and sleeps at night.", ""))
    feed.write("plain.md", "# Plain\n\nNothing of this is parsed, so nothing of it is counted.\n")
    return feed


def test_what_a_document_lacks_is_told_every_night_until_it_is_whole(feed: Feed) -> None:
    for outcome in ("accepted", "unchanged"):
        report = feed.load()
        assert report.outcome == outcome
        assert (report.losses.accounted, report.losses.lossy) == (2, 1)
        assert dict(report.losses.total.lost) == {"comments": 7}
        assert [item for item, _ in report.losses.examples] == ["owls.docx"]
    feed.write("owls.docx", with_comment("The owl hunts at night, and sleeps by day.", ""))
    report = feed.load()
    assert (report.losses.accounted, report.losses.lossy, dict(report.losses.total.lost)) == (2, 0, {})


def test_a_file_that_cannot_be_read_any_more_keeps_the_account_of_its_last_good_document(feed: Feed) -> None:
    feed.load()
    feed.write("owls.docx", b"PK\x03\x04 cut off")
    report = feed.load()
    assert (report.unreadable, dict(report.losses.total.lost)) == (1, {"comments": 7})


def test_a_document_that_left_takes_its_account_with_it(feed: Feed) -> None:
    feed.load()
    (feed.folder / "owls.docx").unlink()
    feed.content["customProperties"] = [{"property": "volumeMaxDropPercent", "value": 100}]
    assert feed.load().losses.accounted == 1


def test_the_contract_says_how_much_may_be_missing(feed: Feed) -> None:
    feed.content["customProperties"] = [{"property": "textLostMaxPercent", "value": 60}]
    report = feed.load()
    assert (report.losses.lossy, dict(report.losses.total.lost)) == (0, {"comments": 7})


def test_files_of_other_kinds_are_counted_and_new_ones_are_told_once(feed: Feed) -> None:
    feed.write("a.xyz", b"x")
    feed.write("deep/b.XYZ", b"x")
    feed.write("LICENSE", b"x")
    feed.write(".hidden.xyz", b"x")
    feed.write("letter to.Jane Doe", b"x")
    first = feed.load()
    assert first.losses.not_read == {".xyz": 2, "no suffix": 1, "another suffix": 1}
    assert first.losses.new_suffixes == (".xyz", "another suffix", "no suffix")
    assert feed.load().losses.new_suffixes == ()
    feed.write("c.qqq", b"x")
    again = feed.load()
    assert (again.outcome, again.losses.new_suffixes) == ("unchanged", (".qqq",))


def test_a_feed_that_cannot_be_listed_says_nothing_about_kinds_and_forgets_none(feed: Feed) -> None:
    feed.write("a.xyz", b"x")
    feed.load()
    feed.folder.rename(feed.folder.with_name("away"))
    held = feed.load()
    assert (held.outcome, held.losses.not_read, held.losses.new_suffixes) == ("held", None, ())
    feed.folder.with_name("away").rename(feed.folder)
    assert feed.load().losses.new_suffixes == ()


def test_an_empty_feed_says_what_is_there_instead(feed: Feed) -> None:
    for name in ("owls.docx", "herons.docx", "plain.md"):
        (feed.folder / name).unlink()
    feed.write("a.xyz", b"x")
    report = feed.load()
    assert report.reason == (
        f"the feed is empty: {feed.folder} lists nothing to read, only files of kinds that are not read: 1 with .xyz"
    )


@pytest.mark.parametrize(
    ("include", "exclude", "listed", "not_read"),
    [
        ((), (), ["a.md", "drafts/b.md", "drafts/deep/c.md", "e.tmp.md"], {".xyz": 1}),
        (("drafts/**",), (), ["drafts/b.md", "drafts/deep/c.md"], {}),
        (("drafts/*",), (), ["drafts/b.md"], {}),
        ((), ("drafts/**",), ["a.md", "e.tmp.md"], {".xyz": 1}),
        ((), ("*.tmp.md", "*.xyz"), ["a.md", "drafts/b.md", "drafts/deep/c.md"], {}),
        (("*.md",), ("deep/**", "drafts/deep/**"), ["a.md", "drafts/b.md", "e.tmp.md"], {}),
    ],
)
def test_patterns_say_which_files_belong_to_the_source(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], listed: list[str], not_read: dict[str, int]
) -> None:
    for name in ("a.md", "drafts/b.md", "drafts/deep/c.md", "e.tmp.md", "f.xyz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    files = Files(FilesServer(tmp_path, include=include, exclude=exclude))
    assert [item.key for item in files.items(lambda key: None)] == listed
    assert files.not_read() == not_read


def test_a_contract_takes_one_pattern_or_several_and_none_that_leads_out(workspace: Workspace) -> None:
    content = files_contract("../feed")
    server = content["servers"][0]
    server["customProperties"] = [
        {"property": "include", "value": "**/*.md"},
        {"property": "exclude", "value": ["drafts/**", "*.tmp"]},
    ]
    read = server_of(read_contract(workspace.contract("handbook", content)), FilesServer)
    assert (read.include, read.exclude) == (("**/*.md",), ("drafts/**", "*.tmp"))
    server["customProperties"] = [{"property": "exclude", "value": ["../other/**"]}]
    with pytest.raises(ContractError, match=r"'\.\./other/\*\*' leads out of the source"):
        read_contract(workspace.contract("handbook", content))
    server["format"], server["path"] = "csv", "../feed/a.csv"
    server["customProperties"] = [{"property": "exclude", "value": ["drafts/**"]}]
    with pytest.raises(ContractError, match="exclude has no meaning for table; it is for files"):
        read_contract(workspace.contract("handbook", content))


def test_a_draft_says_what_is_not_read_and_what_texts_lack(feed: Feed) -> None:
    feed.write("a.xyz", b"x")
    server = FilesServer(feed.folder)
    says = how_much(look_at(server, ReadContext("handbook")), server, "documents")
    assert says.startswith("3 documents (all that are there), whose texts lack 7 words of comments (of ")
    assert says.endswith("; files of kinds that are not read: 1 with .xyz")
    nothing = replace(server, include=("*.xyz",))
    problem = why_nothing(look_at(nothing, ReadContext("handbook")), nothing, "feed")
    assert str(problem) == "feed: only files of kinds that are not read are there: 1 with .xyz"


def test_of_a_folder_with_six_kinds_every_file_is_listed_or_counted() -> None:
    folder = Path(__file__).parents[3] / "shared" / "cases" / "other-kinds"
    if not folder.is_dir():
        pytest.skip("the shared cases are not here")
    files = Files(FilesServer(folder))
    assert [item.key for item in files.items(lambda key: None)] == ["F.MD", "a.md", "b.pptx", "d.odt", "e.adoc"]
    assert files.not_read() == {".doc": 1}
