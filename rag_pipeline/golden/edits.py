"""One line more, or another, in a golden set's files; the rest stays as its authors wrote it. Text in, text out."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.golden.set_files import Edit, split


def with_grade(text: str, query: str, document: str, grade: int, *, only_raise: bool = False) -> Edit:
    """A `qrels` file with a judgment set: in its line, below the query's last line, or as the last one.

    `only_raise`: a higher grade stays, since a document is as good as its best passage. Raises `GoldenSetError` for an id
    that no line can hold.
    """
    if re.search(r"[\t\r\n]", query + document):
        raise GoldenSetError(
            f"query {query!r}, document {document!r}: a tab or line break in it cannot be written into qrels"
        )
    lines = split(text)
    last = max((place for place, line in enumerate(lines) if line.strip()), default=-1)
    for place in range(last, -1, -1):
        row = lines[place].rstrip("\r\n").split("\t")
        if row[:2] == [query, document] and len(row) > 2:
            if int(row[2]) == grade or (only_raise and int(row[2]) > grade):
                return Edit(text)
            before = lines[place].removesuffix("\n")
            after = "\t".join([query, document, str(grade), *row[3:]]) + ("\r" if before.endswith("\r") else "")
            lines[place] = lines[place].replace(before, after, 1)
            return Edit("".join(lines), before, after)
    last = next((place for place in range(last, -1, -1) if lines[place].split("\t")[0] == query), last)
    return _inserted(lines, last + 1, f"{query}\t{document}\t{grade}")


def with_reference(text: str, query: str, reference: dict[str, Any]) -> Edit:
    """A `queries.jsonl` with one more reference in a query's line; the rest of that line stays as it is written.

    A passage that is there stays as it is judged. Raises `GoldenSetError` when the query is gone.
    """
    lines = split(text)
    for place, line in enumerate(lines):
        if not line.strip():
            continue
        row = json.loads(line)
        if str(row.get("_id")) == query:
            known = [(one.get("document"), one.get("quote")) for one in row.get("references") or ()]
            if (reference["document"], reference.get("quote")) in known:
                return Edit(text)
            before = line.removesuffix("\n")
            after = _with_element(before, "references", json.dumps(reference, ensure_ascii=False))
            expected = {**row, "references": [*(row.get("references") or []), reference]}
            if json.loads(after) != expected:
                raise GoldenSetError(f"query {query!r}: nothing can be added to its line; write it as one plain JSON object")
            lines[place] = line.replace(before, after, 1)
            return Edit("".join(lines), before, after)
    raise GoldenSetError(f"query {query!r} is not in queries.jsonl any more; nothing was written")


def with_date(text: str, date: str) -> Edit:
    """A `golden.yaml` whose `judged` holds a date; unchanged where it has it, or is written in a way not known here."""
    content = yaml.load(text, Loader=yaml.BaseLoader)
    dates = content.get("judged") or []
    if not isinstance(dates, list) or date in dates:
        return Edit(text)
    lines = split(text)
    key = next((place for place, line in enumerate(lines) if re.match(r"judged[ \t]*:", line)), None)
    if key is None:
        edited = _inserted(lines, len(lines), f"judged: [{date}]")
    elif match := re.fullmatch(r"(judged[ \t]*:[ \t]*\[)([^\[\]#]*?)([ \t]*\][ \t]*(?:#[^\n]*)?)(\r?\n?)", lines[key]):
        before = lines[key].removesuffix("\n")
        head, inside, tail, end = match.groups()
        lines[key] = f"{head}{inside}{', ' if inside.strip() else ''}{date}{tail}{end}"
        edited = Edit("".join(lines), before, lines[key].removesuffix("\n"))
    else:
        items = list(_items(lines, key + 1))
        if not items:
            return Edit(text)
        indent = re.match(r"[ \t]*", lines[items[-1]])
        edited = _inserted(lines, items[-1] + 1, f"{indent[0] if indent else ''}- {date}")
    try:
        same = yaml.load(edited.text, Loader=yaml.BaseLoader) == {**content, "judged": [*dates, date]}
    except yaml.YAMLError:
        same = False
    return edited if same else Edit(text)


def _items(lines: list[str], start: int) -> Iterator[int]:
    """Places of the one-line items of a block list that begins at a line."""
    for place in range(start, len(lines)):
        if not re.match(r"[ \t]*- ", lines[place]):
            return
        yield place


def _inserted(lines: list[str], place: int, line: str) -> Edit:
    """The lines with a new one, ended as the file's lines are; a last line without an end gets one."""
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    above = lines[:place]
    if above and not above[-1].endswith("\n"):
        above[-1] += end
    return Edit("".join([*above, line + end, *lines[place:]]), None, (line + end).removesuffix("\n"))


def _with_element(line: str, key: str, element: str) -> str:
    """A JSON object with one more element in the list `key`, which is made where there is none."""
    start = end = 0
    for name, value_start, value_end in _members(line):
        if name == key:
            start, end = value_start, value_end
    if not end:
        close = line.rindex("}")
        comma = "" if line[:close].rstrip().endswith("{") else ", "
        return f'{line[:close].rstrip()}{comma}"{key}": [{element}]{line[close:]}'
    if line[start] != "[":
        return f"{line[:start]}[{element}]{line[end:]}"
    inside = line[start + 1 : end - 1].rstrip()
    return f"{line[: start + 1]}{inside}{', ' if inside.strip() else ''}{element}{line[end - 1 :]}"


def _members(line: str) -> Iterator[tuple[str, int, int]]:
    """Each member of a JSON object that is valid: its key, and where its value starts and ends."""
    decoder = json.JSONDecoder()
    at = _solid(line, line.index("{") + 1)
    while line[at] != "}":
        key, at = decoder.raw_decode(line, at)
        start = _solid(line, _solid(line, at) + 1)
        _, end = decoder.raw_decode(line, start)
        yield key, start, end
        at = _solid(line, end)
        at = _solid(line, at + 1) if line[at] == "," else at


def _solid(line: str, at: int) -> int:
    """Where the next character stands that is no blank."""
    while line[at] in " \t\r\n":
        at += 1
    return at
