"""What a notebook shows: every text in its JSON, by the place where it is."""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rag_pipeline.extraction.account import OTHER, TEXT, TRACES, Account, account_of, only_in

_OUTPUTS = "outputs"
_NO_WORDS = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|data:[a-z]+/[^\s)\"']*|<(?:style|script)\b.*?</(?:style|script)>|<[^<>]*>", re.DOTALL
)


def account_of_notebook(cells: list[dict[str, Any]], handed_on: str) -> Account:
    shown: dict[str, list[str]] = {TEXT: [], _OUTPUTS: [], TRACES: []}
    others: list[str] = []
    for cell in cells:
        source = _texts(cell.get("source", cell.get("input")))
        shown[TEXT].append(source if cell.get("cell_type") == "code" else _words(source))
        for output in _outputs(cell):
            shown[_OUTPUTS] += [_words(_texts(output.get(name))) for name in ("text", "ename", "evalue")]
            shown[TRACES].append(_words(_texts(output.get("traceback"))))
            data = output.get("data")
            forms = (
                {form: _texts(said) for form, said in data.items() if form.startswith("text/")}
                if isinstance(data, dict)
                else {}
            )
            if isinstance(data, dict) and forms.keys() != data.keys():
                continue  # a picture, and what stands for it in plain text
            forms = {form: words for form, said in forms.items() if (words := _words(said)).strip()}
            for place, form in enumerate(sorted(forms, key=lambda one: one != "text/plain")):
                (others if place else shown[_OUTPUTS]).append(forms[form])
    return account_of({**shown, OTHER: [only_in(others, handed_on)]}, handed_on)


def _outputs(cell: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = cell.get("outputs")
    pictures = {"png", "jpeg", "svg"}
    yield from (
        (one for one in found if isinstance(one, dict) and not one.keys() & pictures) if isinstance(found, list) else ()
    )


def _texts(found: Any) -> str:
    return "".join(map(str, found)) if isinstance(found, list) else str(found or "")


def _words(text: str) -> str:
    """The text without tags, terminal colors and the contents of `data:` addresses."""
    return html.unescape(_NO_WORDS.sub(" ", text))
