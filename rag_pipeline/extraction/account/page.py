"""What an HTML page shows, read by its tags alone: quick, and independent of the parser that makes its text."""

import html
import re
from collections.abc import Mapping

from rag_pipeline.extraction.account import TEXT
from rag_pipeline.extraction.words import words_of

_TOKEN = re.compile(
    r"""<!--.*?(?:-->|\Z)
    |<(script|style|title)\b[^>]*>.*?(?:</\1\s*>|\Z)
    |<(/?)([a-z][a-z0-9:-]*)((?:[^<>"']++|"[^"]{0,100000}+"|'[^']{0,100000}+')*+)>
    |<[!?][^>]*>""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_KINDS = {
    "nav": "navigation",
    "template": "hidden text",
    "noscript": "hidden text",
    "iframe": "hidden text",
    "dialog": "hidden text",
    "svg": "drawings",
    "select": "form fields",
    "button": "form fields",
    "textarea": "form fields",
    "table": "tables",
}
_PICTURES = "descriptions of pictures"
_ORDER = (TEXT, "tables", "form fields", _PICTURES, "drawings", "hidden text", "navigation")
_HIDDEN = re.compile(r"""(?:^|\s)hidden(?=[\s=/]|$)|\bdisplay\s*:\s*none|\bvisibility\s*:\s*hidden""", re.IGNORECASE)
_SAID = re.compile(r"""\s(alt|value|type|placeholder)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_INLINE = frozenset(
    {
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    }
)
"""Tags that part no word."""

_DEEPEST = 200
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])


def shown_on_page(page: str) -> Mapping[str, list[str]]:
    """Texts by kind: what a reader of the page sees, what is hidden, and what describes its pictures."""
    found: dict[str, list[str]] = {kind: [] for kind in _ORDER}
    around: list[tuple[str, str]] = []  # tags that decide of what kind the text inside is; and those of the same name
    kind, end = TEXT, 0
    for token in _TOKEN.finditer(page):
        if token.start() > end:
            found[kind].append(page[end : token.start()])
        end = token.end()
        name = (token[3] or "").lower()
        if name not in _INLINE:
            found[kind].append(" ")
        if not name or name == "img" or name == "input":
            _describe(name, token[4] or "", found)
        elif token[2]:
            place = next((place for place in range(len(around) - 1, -1, -1) if around[place][0] == name), None)
            if place is not None:
                del around[place:]
        elif name not in _VOID and not token[4].endswith("/"):
            new = "hidden text" if token[4] and _HIDDEN.search(token[4]) else _KINDS.get(name)
            if len(around) < _DEEPEST and (new or (around and any(name == other for other, _ in around))):
                around.append((name, new if new and kind in (TEXT, "tables") else kind))
        kind = around[-1][1] if around else TEXT
    found[kind].append(page[end:])
    return {kind: [html.unescape("".join(texts))] for kind, texts in found.items()}


def says_something(page: str) -> bool:
    """Whether there is a word on it, beside what is hidden."""
    shown = shown_on_page(page)
    return any(words_of(text) for kind in (TEXT, "tables") for text in shown[kind])


def _describe(name: str, attributes: str, found: dict[str, list[str]]) -> None:
    said = {match[1].lower(): match[2] or match[3] or match[4] or "" for match in _SAID.finditer(attributes)}
    if name == "img" and said.get("alt"):
        found[_PICTURES].append(f" {said['alt']} ")
    if name == "input" and said.get("type", "text").lower() not in ("hidden", "checkbox", "radio", "image", "password"):
        found["form fields"].append(f" {said.get('value', '')} {said.get('placeholder', '')} ")
