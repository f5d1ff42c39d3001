"""Drafting a contract from a table: whatever it holds, the draft is valid, takes its rows, and tells no private value."""

import csv
import io
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rag_pipeline.contracts.read import read_contract
from tests.support.drafts import NOW, Desk, articles, roles_of

# What any table comes to

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


_WEIRD = st.sampled_from(
    [
        *(
            "on",
            "null",
            "~",
            "",
            " ",
            "1",
            "a: b",
            "- x",
            "#",
            "{a}",
            "\x85",
            "a\nb",
            "\u2028",
            "é",
            "*",
            "^a$",
            "'",
            '"',
            "😀",
        ),
        *(
            "__item",
            "check_output",
            "a.b",
            "%",
            "@",
            "name",
            "modified",
            "E-Mail",
            "title",
            "url",
            "check",
            "index",
            "\ufeff",
        ),
        *("a" * 200, "0x1f"),
    ]
)


_NAMES = _WEIRD | _TEXTS


_TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.sampled_from([None, UTC]))


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": _TEXTS,
    "blank": st.sampled_from(["", " ", "x", "\t"]),
    "words": st.sampled_from(["open", "closed", "yes", "no", "true", "0", "null", "2024-01-01", "a, b"]),
    "integer": st.integers(-(2**70), 2**70),
    "flag": st.sampled_from([0, 1]),
    "code": st.integers(0, 99_999).map("{:05}".format),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "any number": st.floats(),
    "boolean": st.booleans(),
    "date": st.dates().map(str),
    "time": _TIMES.map(str),
    "written": st.dates().map(lambda day: day.strftime("%d.%m.%Y")),
    "either": st.dates().map(lambda day: day.strftime("%m/%d/%Y")),
    "nested": st.lists(st.integers() | _TEXTS, max_size=3) | st.dictionaries(_TEXTS, st.integers(), max_size=2),
    "mail": st.sampled_from(["ada@gmail.com", "ben@gmail.com", "a text with carl@gmail.com inside"]),
}


@dataclass
class Feed:
    """A table: names of columns and its rows, of which some lack some of the columns."""

    form: str
    columns: dict[str, list[Any]]

    def write(self, folder: Path) -> Path:
        path = folder / f"feed.{self.form}"
        rows = [dict(zip(self.columns, values, strict=True)) for values in zip(*self.columns.values(), strict=True)]
        if self.form == "jsonl":
            lines = (json.dumps({k: v for k, v in row.items() if v is not None}) for row in rows)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        elif self.form == "csv":
            text = io.StringIO(newline="")
            writer = csv.writer(text, quoting=csv.QUOTE_ALL)
            writer.writerows([list(self.columns), *([v if v is not None else "" for v in row.values()] for row in rows)])
            path.write_bytes(text.getvalue().encode())
        else:
            pq.write_table(pa.table({name: _array(values) for name, values in self.columns.items()}), path)
        return path


def _array(values: list[Any]) -> pa.Array:
    try:
        if any(isinstance(value, dict) for value in values):
            raise pa.ArrowInvalid("an object without fields cannot be written to Parquet")
        return pa.array(values)
    except (pa.ArrowException, OverflowError):  # of several types, or an integer too large for any
        return pa.array([None if value is None else str(value) for value in values])


@st.composite
def feeds(draw: st.DrawFn) -> Feed:
    rows = draw(st.integers(1, 80))
    names = draw(st.lists(_NAMES.filter(lambda name: name not in ("id", "text")), unique=True, max_size=6))
    columns: dict[str, list[Any]] = {"id": [f"doc-{number}" for number in range(rows)]}
    for name in names:
        values = _VALUES[draw(st.sampled_from(sorted(_VALUES)))]
        missing = draw(st.sampled_from([0, 0, 2, 10]))
        few = draw(st.lists(values, min_size=1, max_size=8))
        picked = draw(st.lists(st.integers(0, 99), min_size=rows, max_size=rows))
        columns[name] = [None if missing and pick % missing == 0 else few[pick % len(few)] for pick in picked]
    columns["text"] = [f"Row {number} is about owls." for number in range(rows)]
    return Feed(draw(st.sampled_from(["jsonl", "csv", "parquet"])), columns)


@settings(
    max_examples=int(os.environ.get("DRAFT_EXAMPLES", "8")),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example of half a second is not made smaller a thousand times
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(feed=feeds())
def test_a_draft_is_valid_and_takes_every_row_it_was_drafted_from(tmp_path: Path, feed: Feed) -> None:
    desk = Desk(Path(tempfile.mkdtemp(dir=tmp_path)))
    draft = desk.draft(feed.write(desk.root))
    report = desk.load(draft)
    assert report.refused == report.superseded == draft.judged.refused_rows == 0, report.refusals
    assert report.rows_in == len(feed.columns["id"])


# Types, limits, values


def test_the_draft_says_of_each_column_what_was_seen(desk: Desk) -> None:
    rows = articles(
        100,
        title=lambda number: f"Article {number}",
        stars=lambda number: number % 5 + 1,
        price=lambda number: number / 10,
        state=lambda number: ("open", "closed: done")[number % 2],
        due=lambda number: f"{number % 28 + 1:02}.02.2026",
        link=lambda number: f"https://example.com/{number}",
        token=lambda number: f"00000000-0000-4000-8000-{number:012}",
        changed_at=lambda number: (NOW - timedelta(hours=number)).isoformat(),
        remark=lambda number: "worth a look" if number % 4 else None,
        on=lambda number: number % 2 == 0,
    )
    draft = desk.draft(desk.jsonl(rows))
    contract = read_contract(draft.file)
    assert roles_of(draft) == {
        "key": ["id"],
        "text": ["text"],
        "title": ["title"],
        "modified_at": ["changed_at"],
        "uri": ["link"],
    }
    types = {column.name: column.logical_type for column in contract.columns}
    assert {name: kind for name, kind in types.items() if kind != "string"} == {
        "id": "integer", "stars": "integer", "price": "number", "due": "date", "changed_at": "timestamp", "on": "boolean"
    }  # fmt: skip
    options = {column.name: column.options for column in contract.columns if column.options}
    assert options == {
        "id": {"minimum": 0},
        "text": {"minLength": 10, "maxLength": 500},
        "title": {"maxLength": 200},
        "stars": {"minimum": 0, "maximum": 50},
        "price": {"minimum": 0},
        "state": {"maxLength": 200},
        "due": {"format": "dd.MM.yyyy"},
        "link": {"format": "uri"},
        "token": {"format": "uuid"},
        "remark": {"maxLength": 200},
    }
    assert {column.name for column in contract.columns if not column.required} == {"remark"}
    assert "# enum: [{value: 'closed: done'}, {value: open}]" in draft.text
    assert "# in every row; 2026-02-01 to 2026-02-28" in draft.text
    assert {rule.name: (rule.operator, rule.bound, rule.severity) for rule in contract.quality} == {
        "enough_rows": ("mustBeGreaterOrEqualTo", 70, "error"),
        "remark_is_mostly_there": ("mustBeLessThan", 50, "warning"),
    }
    assert (contract.max_age_hours, contract.age_column) == (48, "changed_at"), "the newest is an hour old"
    assert (contract.quarantine_max_percent, contract.volume_max_drop_percent) == (10, 50)
    assert desk.load(draft).good == 100


def test_a_suggested_list_of_values_becomes_one_by_removing_its_mark(desk: Desk) -> None:
    states = ("a, b", "on", "x: y", "\u2028", "it's")
    draft = desk.draft(desk.jsonl(articles(60, state=lambda number: states[number % 5])))
    draft.file.write_text(draft.text.replace("# enum:", "enum:"), encoding="utf-8")
    [column] = [column for column in read_contract(draft.file).columns if column.name == "state"]
    assert set(column.allowed) == set(states)
    assert desk.load(draft).refused == 0


def test_tomorrows_rows_of_the_same_kind_pass(desk: Desk) -> None:
    """Longer and more of everything, a value never seen, a number below and above: only what is wrong by far is refused."""

    def rows(first: int, last: int) -> list[dict[str, Any]]:
        return articles(
            last,
            score=lambda n: n,
            word=lambda n: "x" * (n % 7 + first // 50),
            kind=lambda n: f"kind {n % (2 + first // 30)}",
        )[first:]

    draft = desk.draft(desk.jsonl(rows(0, 60)))
    desk.jsonl(rows(0, 300))
    assert desk.load(draft).refused == 0
    desk.jsonl([*rows(0, 60), {"id": 999, "text": "x" * 5_000, "score": 1, "word": "x", "kind": "kind 1"}])
    assert desk.load(draft).refused == 1


def test_a_few_rows_give_no_limits(desk: Desk) -> None:
    contract = read_contract(desk.draft(desk.jsonl(articles(3, stars=lambda number: number))).file)
    assert not any(column.options for column in contract.columns)


def test_an_old_newest_change_is_no_promise_about_age(desk: Desk) -> None:
    rows = articles(30, updated=lambda number: (NOW - timedelta(days=number * 3)).isoformat())
    draft = desk.draft(desk.jsonl(rows))
    contract = read_contract(draft.file)
    assert (contract.max_age_hours, contract.age_column) == (48, None)
    assert "# the newest updated seen was 72 h ago; the last load counts" in draft.text


def test_rows_that_are_bad_are_refused_and_the_share_allowed_is_said(desk: Desk) -> None:
    rows = [row | {"text": None if row["id"] % 5 == 0 else row["text"]} for row in articles(100)]
    draft = desk.draft(desk.write("feed.jsonl", "".join(json.dumps(row) + "\n" for row in rows) + "not JSON\n" * 2))
    # a fifth of the rows lack their text, so that column may be the text only because there is no other
    assert draft.judged.refused == {"text is missing or blank": 20}
    assert any("20 rows would be refused: text is missing or blank" in one for one in draft.decide)
    assert "of which 2 cannot be read" in draft.looked_at
    assert read_contract(draft.file).quarantine_max_percent == 45
    report = desk.load(draft)
    assert (report.good, report.refused) == (80, 22)
