"""Drafting a contract from wherever a feed may be: folders, files, buckets, databases, websites, and what is none."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rag_pipeline.connectors import DatabaseWish, path_for_contract
from rag_pipeline.connectors.files.server import FilesServer
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.drafting.where import source_name
from rag_pipeline.extraction.kinds import NAMED
from rag_pipeline.feeds import sample as sampling
from tests.conftest import SHARED
from tests.support.drafts import DOCUMENT_ROLES, Desk, articles, column_of, roles_of
from tests.support.feeds import given, server_of
from tests.support.folders import pdf

# Folders


def test_a_folder_of_documents_of_all_kinds(desk: Desk) -> None:
    desk.write("our pages/a.md", "# Owls\n\nOwls hunt at night. Ask ada@gmail.com for more of them.\n")
    desk.write("our pages/sub/b.html", "<html><body><h1>Mice</h1><p>Mice fear the owls of the night.</p></body></html>")
    desk.write("our pages/c.pdf", pdf("Foxes walk alone through the wood at night."))
    desk.write("our pages/broken.pdf", b"%PDF-1.4 broken")
    desk.write("our pages/photo.png", b"x")
    draft = desk.draft(desk.root / "our pages")
    says = "4 documents (all that are there), of which 1 cannot be read; files of kinds that are not read: 1 with .png"
    assert (draft.source, draft.looked_at) == ("our_pages", says)
    assert roles_of(draft) == DOCUMENT_ROLES
    contract = read_contract(draft.file)
    assert "path: ../our pages\n" in draft.text
    path = server_of(contract, FilesServer).path
    assert path == (desk.root / "our pages").resolve() or path == desk.contracts / "../our pages"
    assert given(contract, "uri").options == {"format": "uri"}
    privacy = given(contract, "text").privacy
    assert privacy is not None and privacy.entities == ("EMAIL_ADDRESS",)
    assert (contract.quarantine_max_percent, contract.age_column) == (50, None), "files' times are those of a copy"
    assert contract.quality[0].bound == 2
    report = desk.load(draft)
    assert (report.good, report.refused, report.pii_found) == (3, 1, {"EMAIL_ADDRESS": 1})
    assert "gmail" not in draft.text


def test_a_large_folder_is_looked_at_from_first_to_last(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "DOCUMENTS", 10)
    for number in range(40):
        desk.write(f"pages/{number:02}.md", f"# Page {number}\n\nOwls number {number} hunt at night.\n")
    draft = desk.draft(desk.root / "pages")
    assert draft.looked_at == "10 documents (of 40 or more)"
    assert [row["path"] for row in draft.sample.rows] == [f"{number:02}.md" for number in range(0, 40, 4)]
    assert read_contract(draft.file).quality[0].bound == 28, "seven tenths of those that are listed"
    assert desk.load(draft).good == 40


def test_a_pattern_of_documents_and_a_folder_whose_name_looks_like_one(desk: Desk) -> None:
    for name in ("pages/a.md", "pages/deep/b.md", "pages/c.txt", "odd [1]/d.md"):
        desk.write(name, f"# {name}\n\nOwls hunt at night.\n")
    draft = desk.draft(desk.root / "pages/**/*.md")
    assert (draft.source, desk.load(draft).added) == ("pages", ("pages/a.md", "pages/deep/b.md"))
    assert desk.load(desk.draft(desk.root / "odd [1]")).good == 1


def test_a_path_is_relative_where_both_belong_together(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "data/pages").mkdir(parents=True)
    (project / "conf/contracts").mkdir(parents=True)
    assert path_for_contract(project / "data/pages", project / "contracts") == "../data/pages"
    assert path_for_contract(project / "data/pages", project / "conf/contracts") == "../../data/pages"
    assert path_for_contract(project / "data/pages", project / "a/b/c") == str(project / "data/pages")
    assert path_for_contract(project / "contracts/data", project / "contracts") == "data"
    shared = Path(tempfile.gettempdir())
    assert path_for_contract(shared / "pages", shared / "contracts") == str(shared / "pages"), "nothing but a roof in common"
    assert path_for_contract(Path("/usr/share"), project / "contracts") == "/usr/share"
    (project / "elsewhere").symlink_to("/usr", target_is_directory=True)
    far = project / "elsewhere/share"
    assert path_for_contract(project / "data/pages", far) == str(project / "data/pages"), "`..` of a link leads elsewhere"


# Tables


@pytest.mark.parametrize("suffix", ["csv", "parquet", "pq", "ndjson"])
def test_a_table_of_any_format(desk: Desk, suffix: str) -> None:
    rows = articles(30)
    path = desk.root / f"My Articles.{suffix}"
    if suffix == "csv":
        path.write_text("id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows), encoding="utf-8")
    elif suffix == "ndjson":
        desk.jsonl(rows, path.name)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    draft = desk.draft(path)
    assert (draft.source, roles_of(draft)) == ("my_articles", {"key": ["id"], "text": ["text"]})
    assert column_of(draft, "id").logical_type == "integer"
    assert desk.load(draft).good == 30


# What is none


def test_places_nothing_can_be_read_from_are_told_with_what_to_do(desk: Desk) -> None:
    assert "no such file or folder" in desk.refusal(desk.root / "nowhere")
    desk.write("tables/a.csv", "id,text\n1,x\n")
    assert f"for those: rag contract new '{desk.root}/tables/*.csv'" in desk.refusal(desk.root / "tables")
    (desk.root / "empty").mkdir()
    assert f"no document ({NAMED}) is there" in desk.refusal(desk.root / "empty")
    assert "is one document; name the folder it lies in" in desk.refusal(desk.write("a.md", "# A\n"))
    assert "is packed; unpack it first" in desk.refusal(desk.write("a.jsonl.gz", b"x"))
    assert "files of this kind are not read" in desk.refusal(desk.write("a.doc", b"x"))
    assert "put it in quotes" in desk.refusal(desk.root / "a.csv", desk.root / "b.csv").lower()
    assert "wildcards of a table may be in the file's name only" in desk.refusal(desk.root / "**/*.csv")
    assert "no file is there" in desk.refusal(desk.root / "tables/*.jsonl")
    assert "holds no row" in desk.refusal(desk.write("none.csv", "id,text\n"))
    assert "none of the 1 looked at can be read; the first: the file is empty" in desk.refusal(desk.write("void.csv", ""))
    assert "none of the 2 looked at can be read; the first: line 1 is not JSON" in desk.refusal(
        desk.write("x.jsonl", "a\nb\n")
    )
    assert "--table, --query and --cursor are for databases" in desk.refusal(
        desk.root / "tables/a.csv", database=DatabaseWish(table="x")
    )
    assert "--key is for tables" in desk.refusal(desk.root, keys=("path",))
    assert "write it as a path, without file://" in desk.refusal("file:///tmp")
    assert "write it az://container/" in desk.refusal("abfss://c@account/x")
    assert "holds no credentials" in desk.refusal("https://ada:s3cret@example.com/sitemap.xml")


def test_a_name_no_source_can_have_and_a_file_that_is_there_are_refused_before_anything_is_read(desk: Desk) -> None:
    path = desk.jsonl(articles(3))
    assert "use 3 to 63 lower-case letters" in desk.refusal(path, source="Feed One")
    assert "the name of another group of the graph" in desk.refusal(path, source="corpus")
    assert "a contract's file is named <source>.odcs.yaml" in desk.refusal(path, output=desk.root / "feed.yaml")
    assert "differ: the file's name is the source's name" in desk.refusal(
        path, output=desk.root / "feed.odcs.yaml", source="other"
    )
    assert "neither an e-mail address nor the name of a team" in desk.refusal(path, owner="ada@")
    draft = desk.draft(path)
    draft.file.write_text("mine", encoding="utf-8")
    path.unlink()
    path.touch()
    assert "already exists; give the source another name with --source, or replace it with --force" in desk.refusal(path)
    assert draft.file.read_text(encoding="utf-8") == "mine"
    desk.jsonl(articles(3))
    desk.draft(path, again=True)
    assert desk.load(draft).good == 3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Our Pages (new)", "our_pages_new"),
        ("corpus", "corpus_source"),
        ("2024", "source_2024"),
        ("Überblick", "uberblick"),
        ("日本", "source"),
        ("qa", "qa_source"),
        ("", "source"),
        ("a" * 80, "a" * 63),
        ("docs.example.com", "docs_example_com"),
    ],
)
def test_a_source_is_called_after_what_it_reads(text: str, name: str) -> None:
    assert source_name(text) == name


def test_a_folder_that_cannot_be_written_to_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("contracts", "a file where the folder should be")
    with pytest.raises(Exception, match="cannot be written"):
        desk.draft(desk.jsonl(articles(3)))


# Real data


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data at {SHARED}")
@pytest.mark.parametrize(
    ("place", "rows", "wishes"),
    [
        ("gitlab-handbook/content", 50, {}),
        pytest.param("squad-dev/corpus.jsonl", 2_067, {}, marks=pytest.mark.slow),
        pytest.param("chunking-evaluation/corpora", 5, {}, marks=pytest.mark.slow),
        ("chunking-evaluation/questions_df.csv", 472, {"keys": ("question",)}),
        ("gitlab-handbook/datasets/*.jsonl", 249, {"keys": ("type", "id")}),
    ],
)
def test_real_data_is_taken_by_the_contract_drafted_from_it(
    desk: Desk, place: str, rows: int, wishes: dict[str, Any]
) -> None:
    draft = desk.draft(SHARED / place, source="real", **wishes)
    report = desk.load(draft)
    assert (report.good, report.refused) == (rows, 0)
