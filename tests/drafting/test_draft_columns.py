"""Which columns a draft takes for key, text and private data, and which it leaves out."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.contracts.yaml_lines import read_yaml
from rag_pipeline.errors import ContractError
from rag_pipeline.feeds import sample as sampling
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
from tests.support.drafts import NOW, Desk, articles, column_of, roles_of

# Keys and texts


def test_names_tell_the_key_and_the_text_where_several_columns_could_be(desk: Desk) -> None:
    rows = articles(30, slug=lambda n: f"s{n}", a=lambda n: f"{n}", html=lambda n: f"<p>Article {n} says a lot.</p>" * 2)
    draft = desk.draft(desk.jsonl(rows))
    assert roles_of(draft) == {"key": ["id"], "text": ["text"]}
    rows = [
        {"a": n, "doc_id": f"d{n}", "long": f"A long tale number {n} of owls.", "body": f"Short {n}."} for n in range(30)
    ]
    assert roles_of(desk.draft(desk.jsonl(rows), again=True)) == {"key": ["doc_id"], "text": ["body"]}
    rows = [{"a": n, "tale": f"A long tale number {n} of owls.", "text": "x"} for n in range(30)]
    draft = desk.draft(desk.jsonl(rows), again=True)
    assert roles_of(draft) == {"key": ["a"], "text": ["tale"]}
    assert "different in every row looked at" in column_of(draft, "a").todo


def test_a_key_of_digits_with_zeros_before_them_stays_as_it_is(desk: Desk) -> None:
    draft = desk.draft(desk.write("feed.csv", "id,text\n" + "".join(f"{n:05},An owl number {n}\n" for n in range(30))))
    assert column_of(draft, "id").logical_type == "string"
    assert "feed/00029" in desk.load(draft).added


def test_without_a_key_the_nearest_columns_are_named_and_how_often_they_repeat(desk: Desk) -> None:
    rows = [
        {"doc": n // 3, "part": n % 3, "slug": f"s{n}" if n else None, "text": f"Owls, part {n} " * 5} for n in range(30)
    ]
    path = desk.jsonl([*rows, rows[5]])
    said = desk.refusal(path)
    assert (
        "no column can be the key: none is short, present in every row and different in every row; nearest: text (1 of 31"
        in said
    )
    assert (
        "doc (21 of 31 rows repeat another's), part (28 of 31 rows repeat another's); give the rows a column with a" in said
    )
    assert "value of its own each, or say --key NAME, and of rows that share a key the last one is kept" in said
    assert "doc and part together are unique: if that is so by design, add --key doc --key part" in desk.refusal(
        desk.jsonl(rows)
    )
    draft = desk.draft(desk.jsonl([*rows, rows[5]]), keys=("doc", "part"))
    assert roles_of(draft)["key"] == ["doc", "part"]
    assert draft.judged.superseded == 1
    report = desk.load(draft)
    assert (report.good, report.superseded) == (30, 1)
    assert "feed/9/2" in report.added
    assert "no column 'nope' to be the key; there are: doc, part, slug, text" in desk.refusal(
        path, keys=("nope",), source="two"
    )
    assert "column slug cannot be the key: it is missing or blank in 1 of 31 rows" in desk.refusal(
        path, keys=("slug",), source="two"
    )


def test_without_a_text_it_is_said_which_columns_there_are(desk: Desk) -> None:
    path = desk.jsonl({"id": n, "size": n * 2, "code": f"{n:04}"} for n in range(30))
    assert (
        "no column can be the text that is searched: none beside the key holds words in most rows; there are: size, code"
        in (desk.refusal(path))
    )
    path = desk.jsonl({"id": n, "text": "owls" if n < 10 else None} for n in range(30))
    assert "nearest: text (missing in 20 of 30 rows)" in desk.refusal(path)


# Names


def test_columns_no_contract_can_describe_are_left_out_and_told(desk: Desk) -> None:
    rows = articles(30, __own=lambda n: n, check_output=lambda n: n, vector=lambda n: [n / 7] * 200)
    rows = [row | {"": 1, "ada@gmail.com": 1, "on": "x", "a\nb: #": "y"} for row in rows]
    draft = desk.draft(desk.jsonl(rows))
    assert [column.name for column in draft.columns] == ["id", "text", "on", "a\nb: #"]
    for said in (
        "__own: names that begin with '__' are the pipeline's own; rename it",
        "check_output: pandera keeps this name for itself",
        "vector: lists or objects, ",
        "Left out: a column without a name",
        "Left out: columns whose names hold private data: 1",
    ):
        assert said in draft.text
    assert "ada" not in draft.text
    assert desk.load(draft).unknown_columns, "the load tells of them too"


def test_a_table_of_very_many_columns_keeps_the_fullest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_pipeline.drafting.looked_at.MOST_COLUMNS", 20)
    rows = [{f"only_{row['id']}_{number}": 1 for number in range(40)} | row for row in articles(10)]
    draft = desk.draft(desk.jsonl(rows))
    assert len(draft.columns) == 20
    assert roles_of(draft) == {"key": ["id"], "text": ["text"]}
    assert "382 columns that fewer rows have than the others" in draft.text


@pytest.mark.parametrize(
    "lines",
    ["1,Ada likes owls,2026-01-01\n2,Ben,2026-01-02\n", "a1,ada@gmail.com,Owls\na2,ben@gmail.com,Mice\n"],
)
def test_a_csv_file_without_a_header_line_is_refused_and_none_of_it_told(desk: Desk, lines: str) -> None:
    said = desk.refusal(desk.write("feed.csv", lines * 20))
    assert "the first line looks like values, not like names of columns; give the file a header line" in said
    assert not any(value in said for value in ("Ada", "ada", "2026"))


# Private data


PEOPLE: Mapping[str, Any] = {
    "E-Mail": lambda n: f"person{n}@gmail.com",
    "fullName": lambda n: ("Ada Lovelace", "Alan Turing")[n % 2],
    "date_of_birth": lambda n: f"19{n % 50 + 40}-07-0{n % 9 + 1}",
    "phone": lambda n: f"+49 30 9018{n % 10}820" if n % 3 else None,
    "reach": lambda n: f"contact{n}@web.de",
    "author": lambda n: ("Grace Hopper", "Edsger Dijkstra")[n % 2],
    "note": lambda n: f"Ask mail{n % 3}@gmx.de" if n % 4 == 0 else "Nothing to see",
    "emails_sent": lambda n: n,
    "email_verified": lambda n: n % 2 == 0,
}


VALUES = ("gmail.com", "Ada", "Turing", "194", "+49", "web.de", "Grace", "Dijkstra", "gmx.de")


def test_private_columns_are_kept_out_and_none_of_their_values_is_told(desk: Desk) -> None:
    draft = desk.draft(desk.jsonl(articles(100, **PEOPLE)))
    policies = {column.name: column.policy for column in draft.columns if column.policy}
    dropped = ("E-Mail", "fullName", "date_of_birth", "phone", "reach")
    assert policies == {**dict.fromkeys(dropped, "drop"), "author": "scan-and-mask"}
    assert {column.name for column in draft.columns if column.classification} == set(policies)
    contract = read_contract(draft.file)
    privacy = {column.name: column.privacy for column in contract.columns}
    assert (privacy["note"].policy, privacy["note"].entities) == ("scan-and-mask", ("EMAIL_ADDRESS",))
    assert privacy["text"].policy == "scan-and-mask"
    assert "found in note: 25 EMAIL_ADDRESS in 25 of 100 rows" in " ".join(draft.text.replace("# ", "").split())
    for value in VALUES:
        assert value not in draft.text.replace("TODO@example.com", "")
        assert value not in " ".join(draft.decide)
    report = desk.load(draft)
    assert (report.good, report.pii_found) == (100, {"EMAIL_ADDRESS": 25})


def test_a_key_with_private_data_asks_for_a_salt(desk: Desk) -> None:
    rows = [{"login": f"p{n}@gmail.com", "text": f"Owl number {n} hunts at night."} for n in range(30)]
    draft = desk.draft(desk.jsonl(rows))
    assert roles_of(draft)["key"] == ["login"]
    assert column_of(draft, "login").policy == "scan-and-mask"
    assert any("RAG_PII_SALT" in one for one in draft.decide)
    assert "gmail" not in draft.text
    assert desk.load(draft).good == 30
    report = load_source(read_contract(draft.file), Home(desk.root / "saltless"), run_id="first", now=NOW)
    assert report.outcome == "held" and "RAG_PII_SALT" in report.reason


def test_a_better_key_than_a_private_one_is_taken(desk: Desk) -> None:
    rows = [{"name": f"Ada {n}", "mail": f"p{n}@gmail.com", "code": f"c{n}", "body": f"Owl number {n}."} for n in range(30)]
    assert roles_of(desk.draft(desk.jsonl(rows)))["key"] == ["name"], "a name may be that of a thing"
    rows = [{"mail": f"p{n}@gmail.com", "ref": f"c{n}", "body": f"Owl number {n}."} for n in range(30)]
    assert roles_of(desk.draft(desk.jsonl(rows), again=True))["key"] == ["ref"]


# Form


def test_the_draft_is_written_as_the_contracts_beside_it_are(desk: Desk) -> None:
    draft = desk.draft(desk.jsonl(articles(30)), owner="ada@example.com", source="owls_and_mice")
    content = yaml.safe_load(draft.text)
    assert list(content) == [
        "apiVersion", "kind", "id", "name", "version", "status", "description", "team", "servers", "schema", "slaProperties",
        "customProperties",
    ]  # fmt: skip
    assert (content["id"], content["name"], content["version"], content["status"]) == (
        "owls-and-mice", "Owls and mice", "0.1.0", "draft"
    )  # fmt: skip
    contract = read_contract(draft.file)
    assert contract.owners == ("ada@example.com",)
    assert contract.description.startswith("TODO")
    assert all(len(line) <= 120 or "enum" in line for line in draft.text.splitlines())
    team = read_contract(desk.draft(desk.jsonl(articles(30)), owner="People Ops", source="other").file)
    assert team.owners == ("team:people_ops",)


def test_a_table_larger_than_the_sample_is_looked_at_in_part_and_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "ROWS", 250)
    for number in range(3):
        rows = [row | {"id": f"{number}-{row['id']}", "part": number} for row in articles(400)]
        desk.jsonl(rows, f"feed/{number}.jsonl")
    draft = desk.draft(desk.root / "feed" / "*.jsonl")
    assert draft.looked_at == "250 rows in 3 of 3 files (there are more)"
    assert column_of(draft, "part").profile.distinct == 3, "rows of every file were seen"
    assert "250 good ones were seen, and there are more: raise it" in draft.text
    assert desk.load(draft).good == 1200


def test_a_small_table_in_several_files_is_looked_at_as_a_whole(desk: Desk) -> None:
    for number, count in enumerate((350, 5, 0)):
        desk.jsonl([row | {"id": f"{number}-{row['id']}"} for row in articles(count)], f"feed/{number}.jsonl")
    draft = desk.draft(desk.root / "feed" / "*.jsonl")
    assert (draft.looked_at, draft.source) == ("355 rows in 3 of 3 files (all there are)", "feed")


def test_memory_is_bounded_by_characters_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "CHARACTERS", 20_000)
    draft = desk.draft(desk.jsonl(row | {"text": "An owl. " * 200} for row in articles(1000)))
    assert 12 < len(draft.sample.rows) <= 12 + sampling._BLOCK
    assert not draft.sample.whole
    assert read_yaml(draft.file, ContractError).content["version"] == "0.1.0"


@pytest.mark.parametrize(("delimiter", "name"), [(";", ";"), ("\t", "\t")])
def test_a_csv_file_with_another_delimiter_is_drafted_with_it(desk: Desk, delimiter: str, name: str) -> None:
    rows = "".join(f"k{n}{delimiter}An owl, number {n}, sat on a branch\n" for n in range(30))
    draft = desk.draft(desk.write("feed.csv", f"id{delimiter}text\n{rows}"))
    assert yaml.safe_load(draft.text)["servers"][0]["customProperties"] == [{"property": "delimiter", "value": name}]
    assert len(draft.judged.good) == 30
