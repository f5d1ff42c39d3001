"""Kinds of bad rows and batches: keys that are null, repeated or strange, texts that are none, columns that changed."""

from typing import Any

from tests.conftest import column
from tests.support.bad_input import MARKER, Kind, Table, Told, both, limits, on
from tests.support.bad_tables import SIX, put, row

TWO_KEYS = [
    column("shop", role="key", required=True, primaryKey=True, primaryKeyPosition=1),
    column("id", role="key", required=True, primaryKey=True, primaryKeyPosition=2),
    column("text", role="text", required=True),
]
UNIQUE = column("isbn", unique=True)
WHEN = column("when", logicalType="timestamp")
KEPT_A_YEAR = [{"property": "retention", "value": 1, "unit": "y", "element": "rows.when"}]
MEGABYTE_OF_KEY = "k" * 1_000_000
STRANGE_KEYS = (
    "a\x00\x1b\r\nb",
    MEGABYTE_OF_KEY,
    "../../etc/passwd",
    "__op__",
    "caf\u00e9",
    "cafe\u0301",
)
STRANGE_TEXTS = (
    "Owls\x07 hunt\x1b[0m.",
    "Owls\x00 hunt.",
    "\u202eOwls\u202c hunt.",
    "<script>alert(1)</script>",
    "=cmd|'x'!A0",
)


def key(value: Any) -> Kind:
    """A strange key that is good."""
    return put("jsonl", lambda rows: [*rows, row(value, "Strange.")], stays=SIX | {str(value)})


def no_key(value: Any) -> Kind:
    told = Told("is missing or blank", "required", "id", value=MARKER)
    return put("jsonl", lambda rows: [*rows, row(value)], told)


def keys(*values: str) -> Kind:
    """Keys that are alike and not the same."""
    return put("jsonl", lambda rows: [*rows, *(row(value, "Alike.") for value in values)], stays=SIX | set(values))


def text(value: Any, words: str = "") -> Kind:
    """A strange text: good, or refused with these words."""
    told = (Told(words, "required", "text"),) if words else ()
    return put("jsonl", lambda rows: [*rows, row("7", value)], *told, stays=SIX if words else SIX | {"7"})


KEYS = {
    "a key that is null": no_key(None),
    "a key that is empty": no_key(""),
    "a key of blanks": no_key(" \t "),
    "a key of zero-width characters": no_key("\u200b\ufeff"),
    "a row without a key": put(
        "jsonl", lambda rows: [*rows, {"text": MARKER}], Told("is missing or blank", "required", "id", value=MARKER)
    ),
    "half of a key that is null": put(
        "jsonl",
        lambda rows: [*rows, row("7", shop=None)],
        Told("is missing or blank", "required", "shop", value=MARKER),
        schema=TWO_KEYS,
        plain={"shop": "a/b"},
        good=frozenset(f"a%2Fb/{key}" for key in SIX),
    ),
    "a key with control characters": key("a\x00\x1b\r\nb"),
    "a key of 1 MB": key(MEGABYTE_OF_KEY),
    "a key that leaves the folder": key("../../etc/passwd"),
    "a key with our own name": key("__op__"),
    "a key that is an object": put("jsonl", lambda rows: [*rows, row({"a": 1}, "Strange.")], stays=SIX | {'{"a": 1}'}),
    "keys that differ in case": keys("Key", "key", "KEY"),
    "keys that differ in their Unicode form": keys("caf\u00e9", "cafe\u0301"),
    "keys that differ in blanks": keys("key", " key", "key "),
    "a key twice in a batch": put(
        "jsonl",
        lambda rows: [*rows, row("1")],
        Told("repeats the key of rows.jsonl row 6", "unique", "id", kind="superseded"),
    ),
    "a key in two files": Kind(
        on(Table, many=True),
        lambda table: table.put([row("1"), row("7", "Seven.")], "z"),
        stays=SIX | {"7"},
        told=(Told("repeats the key of z.jsonl row 0", "unique", "id", "rows.jsonl", "superseded"),),
    ),
    "a value twice that must be unique": put(
        "jsonl",
        lambda rows: [*rows, row("7", "Seven.", isbn="x"), row("8", "Eight.", isbn="x")],
        Told("repeats the value of rows.jsonl row 7", "unique", "isbn", kind="superseded"),
        columns=(UNIQUE,),
        stays=SIX | {"8"},
    ),
    "a unique value in two files": Kind(
        on(Table, "jsonl", UNIQUE, many=True),
        both(lambda table: table.put([row("7", isbn="x")], "y"), lambda table: table.put([row("8", isbn="x")], "z")),
        stays=SIX | {"8"},
        told=(Told("repeats the value of z.jsonl row 0", "unique", "isbn", "y.jsonl", "superseded"),),
    ),
}

TEXTS = {
    "10 MB in one cell": text("owls " * 2_000_000),
    "10 MB in one cell of a CSV file": put("csv", lambda rows: [*rows, row("7", "owls " * 2_000_000)], stays=SIX | {"7"}),
    "a text of zero-width characters": text("\u200b\u200d\ufeff\u2060", "is missing or blank"),
    "a text of nothing but control characters": text("\x01\x02\x1b", "is missing or blank"),
    "a text that is null": text(None, "is missing or blank"),
    "a text with control characters": text("Owls\x07 hunt\x1b[0m at night."),
    "a text with a zero byte": text("Owls\x00 hunt."),
    "a text from right to left": text("\u202eOwls\u202c hunt."),
    "a text with scripts": text("<script>alert(1)</script>"),
    "a text that is a formula": text("=cmd|' /C calc'!A0"),
}

BATCHES = {
    "a column whose type changed": put(
        "jsonl",
        lambda rows: [{**one, "stars": MARKER} for one in rows],
        *[Told("is not a valid integer", "type", "stars", value=MARKER)] * 6,
        columns=(column("stars", logicalType="integer"),),
        plain={"stars": 1},
        held="6 of 6 rows (100.0 %) break the contract",
    ),
    "a required column that is missing": put(
        "jsonl",
        lambda rows: [{"id": one["id"]} for one in rows],
        *[Told("is missing or blank", "required", "text")] * 6,
        held="column text is required but missing from the feed",
    ),
    "a physical name that is missing": put(
        "jsonl",
        lambda rows: [{"id": one["id"], "text": one["text"], "VAL_1": "renamed"} for one in rows],
        *[Told("is missing or blank", "required", "value")] * 6,
        schema=[
            column("id", role="key", required=True, primaryKey=True),
            column("text", role="text", required=True),
            column("value", required=True, physicalName="VAL"),
        ],
        plain={"VAL": "x"},
        held="column VAL is required but missing from the feed (columns found: VAL_1, id, text)",
    ),
    "an optional column that is missing": put(
        "jsonl", lambda rows: [row(one["id"], one["text"]) for one in rows], columns=(column("more"),), plain={"more": "x"}
    ),
    "a column nobody described": put("jsonl", lambda rows: [{**one, "extra": MARKER} for one in rows]),
    "columns in another order": put("csv", lambda rows: list(reversed(rows))),
    "a row older than it may be kept": put(
        "jsonl",
        lambda rows: [*rows, row("7", when="2020-01-01")],
        columns=(WHEN,),
        plain={"when": "2026-02-01"},
        slaProperties=KEPT_A_YEAR,
        expired=1,
    ),
    "more bad rows than the contract allows": put(
        "jsonl",
        lambda rows: [*rows, row(None)],
        Told("is missing or blank", "required", "id", value=MARKER),
        customProperties=limits(quarantine=10),
        held="1 of 7 rows (14.3 %) break the contract, more than quarantineMaxPercent 10 allows",
    ),
    "most rows gone": put("jsonl", lambda rows: rows[:2], held="would shrink from 6 to 2 documents (66.7 % less)"),
    "no row at all": put("jsonl", lambda rows: [], held="would shrink from 6 to 0 documents"),
    "every row twice": put(
        "jsonl", lambda rows: rows + rows, *[Told("repeats the key", "unique", "id", kind="superseded")] * 6
    ),
}

KINDS = {**KEYS, **TEXTS, **BATCHES}

AT_ONCE = {
    "strange keys, all at once": put(
        "jsonl", lambda rows: [*rows, *(row(key, "Strange.") for key in STRANGE_KEYS)], stays=SIX.union(STRANGE_KEYS)
    ),
    "strange texts, all at once": put(
        "jsonl",
        lambda rows: [*rows, *(row(f"s{number}", text) for number, text in enumerate(STRANGE_TEXTS))],
        stays=SIX | {f"s{number}" for number in range(len(STRANGE_TEXTS))},
    ),
}
"""What is good and looks bad, in one load: each by itself is loaded by the slow tests."""
