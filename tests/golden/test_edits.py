"""Whatever is written into a file of a golden set, every line people wrote stays where and as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.edits import with_date, with_grade, with_reference
from rag_pipeline.golden.set_files import Edit, Edited, append_line, edit, split, swapped, take_back

FILE = Path("x")
ENDS = st.sampled_from(["\n", "\r\n"])
IDS = st.text(st.characters(exclude_characters="\t\r\n", exclude_categories=["Cs"]), min_size=1, max_size=3).filter(
    str.strip
)


def unchanged_but_one(before: str, edited: Edit) -> None:
    """One line is new or another, and taking it back gives the text as it was (but for a last line's end)."""
    old, new = split(before), split(edited.text)
    if edited.text == before:
        return
    if edited.before is None:
        assert len(new) == len(old) + 1
        place = next(
            place for place, line in enumerate(new) if place >= len(old) or line.rstrip("\r\n") != old[place].rstrip("\r\n")
        )
        assert [line.rstrip("\r\n") for line in [*new[:place], *new[place + 1 :]]] == [line.rstrip("\r\n") for line in old]
    else:
        assert sum(one != other for one, other in zip(old, new, strict=True)) == 1
    back = swapped(edited.text, Edited(FILE, edited.before, edited.after)).text
    assert back in (before, f"{before}\n", f"{before}\r\n")


@given(st.lists(st.tuples(IDS, IDS, st.integers(0, 2)), max_size=8), IDS, IDS, st.integers(0, 2), ENDS, st.booleans())
def test_a_grade_is_set_and_every_other_line_stays(
    rows: list[tuple[str, str, int]], query: str, document: str, grade: int, end: str, closed: bool
) -> None:
    text = end.join(["query-id\tcorpus-id\tscore", *(f"{q}\t{d}\t{g}" for q, d, g in rows)]) + (end if closed else "")
    edited = with_grade(text, query, document, grade)
    unchanged_but_one(text, edited)
    found = [line.rstrip("\r\n").split("\t") for line in split(edited.text)]
    assert [row[2] for row in found if row[:2] == [query, document]][-1] == str(grade)
    assert with_grade(edited.text, query, document, grade).text == edited.text
    kept = with_grade(edited.text, query, document, 0, only_raise=True).text
    assert kept == edited.text


def test_a_new_judgment_stands_below_those_of_its_query_and_further_columns_stay() -> None:
    text = "q1\ta\t1\tsure\nq2\tb\t1\n\n"
    assert with_grade(text, "q1", "c", 2).text == "q1\ta\t1\tsure\nq1\tc\t2\nq2\tb\t1\n\n"
    assert with_grade(text, "q1", "a", 0).text == "q1\ta\t0\tsure\nq2\tb\t1\n\n"
    assert with_grade(text, "q3", "c", 2).text == "q1\ta\t1\tsure\nq2\tb\t1\nq3\tc\t2\n\n"
    with pytest.raises(GoldenSetError, match="tab"):
        with_grade(text, "q1", "a\tb", 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
REFERENCES = st.lists(
    st.fixed_dictionaries({"document": st.text(max_size=3), "quote": st.text('ab]}", ', max_size=5)}), max_size=3
)


@given(
    st.dictionaries(st.text(max_size=4).filter(lambda key: key not in ("_id", "references")), VALUES, max_size=4),
    st.none() | REFERENCES,
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, (",", ":"), (" , ", " : ")]),
    st.text(max_size=8),
    ENDS,
)
def test_a_reference_is_added_and_the_rest_of_the_line_stays_to_the_letter(
    more: dict[str, Any],
    references: list[dict[str, str]] | None,
    given_at_all: bool,
    as_ascii: bool,
    separators: tuple[str, str] | None,
    quote: str,
    end: str,
) -> None:
    row = {**more, "_id": "q", **({"references": references} if given_at_all else {}), "text": "what"}
    other = '{ "_id":"p",  "text" : "\\u00e9 1.0e2", "n": 1.00 }'
    line = json.dumps(row, ensure_ascii=as_ascii, separators=separators)
    text = end.join([other, line, ""])
    new = {"document": "hr/leave", "quote": quote, "grade": 2, "judge": "anna"}
    edited = with_reference(text, "q", new)
    unchanged_but_one(text, edited)
    first, second = split(edited.text)
    assert first == other + end
    assert json.loads(second) == {**row, "references": [*(references or [] if given_at_all else []), new]}
    assert with_reference(edited.text, "q", new).text == edited.text


def test_what_stands_twice_in_a_line_is_added_to_where_json_reads_it() -> None:
    text = '{"_id": "q", "references": [], "text": "x", "references": [{"document": "a"}]}'
    assert with_reference(text, "q", {"document": "b"}).text.endswith('[{"document": "a"}, {"document": "b"}]}')
    with pytest.raises(GoldenSetError, match="not in queries"):
        with_reference(text, "other", {"document": "b"})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1\n", "a: 1\njudged: [2026-11-21]\n"),
        ("a: 1", "a: 1\njudged: [2026-11-21]\n"),
        ("judged: []  # yet\na: 1\n", "judged: [2026-11-21]  # yet\na: 1\n"),
        ("judged: [2025-01-01] # by me\r\na: 1\r\n", "judged: [2025-01-01, 2026-11-21] # by me\r\na: 1\r\n"),
        ("judged:\n- 2025-01-01 # me\n# then\na: 1\n", "judged:\n- 2025-01-01 # me\n- 2026-11-21\n# then\na: 1\n"),
        ("judged:\n  - 2025-01-01\n", "judged:\n  - 2025-01-01\n  - 2026-11-21\n"),
        ("judged: [2026-11-21]\n", "judged: [2026-11-21]\n"),
        # written in other ways: left as they are
        ("judged: [\n  2025-01-01]\na: 1\n", None),
        ("{a: 1}\n", None),
        ("a: 1\n...\n", None),
        ("judged: # later\n  - 2025-01-01: [1]\n    b: 2\n", None),
        ("a: |\n  text\n  judged: [x]\n", "a: |\n  text\n  judged: [x]\njudged: [2026-11-21]\n"),
    ],
)
def test_the_date_is_added_to_golden_yaml_only_where_that_is_safe(before: str, after: str | None) -> None:
    edited = with_date(before, "2026-11-21")
    assert edited.text == (before if after is None else after)
    assert yaml.safe_load(edited.text)
    unchanged_but_one(before, edited)


def test_an_edit_keeps_links_and_modes_and_is_taken_back_only_while_its_line_is_there(tmp_path: Path) -> None:
    real, link = tmp_path / "real.tsv", tmp_path / "link.tsv"
    real.write_bytes(b"q\ta\t1\r\n")
    real.chmod(0o640)
    link.symlink_to(real)
    done = edit(link, lambda text: with_grade(text, "q", "b", 2))
    assert done
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_bytes() == b"q\ta\t1\r\nq\tb\t2\r\n"
    assert edit(link, lambda text: with_grade(text, "q", "b", 2)) is None
    take_back(done)
    assert real.read_bytes() == b"q\ta\t1\r\n"
    with pytest.raises(GoldenSetError, match="somebody edited"):
        take_back(done)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.tsv", "real.tsv"]


def test_a_half_written_line_is_closed_before_the_next_one(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    append_line(journal, "one")
    journal.write_bytes(journal.read_bytes() + b"hal")
    append_line(journal, "two")
    assert journal.read_text() == "one\nhal\ntwo\n"
