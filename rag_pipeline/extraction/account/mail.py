"""What a mail shows: its headers and the parts that hold text.

The older interface of `email` reads them; kreuzberg reads mails of Outlook, with other code from the file's first byte
on.
"""

from collections.abc import Mapping
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message

from rag_pipeline.extraction.account import OTHER, TEXT, Account, account_of, only_in
from rag_pipeline.extraction.account.page import says_something, shown_on_page
from rag_pipeline.extraction.extract import extracted
from rag_pipeline.extraction.kinds import EML, HTML, MSG

_HEADS = ("Subject", "From", "To", "Cc")
_DEEPEST = 50


def account_of_eml(content: bytes, handed_on: str, attached: Mapping[str, int]) -> Account:
    """`attached`: files that came with it."""
    shown: dict[str, list[str]] = {TEXT: []}
    others: list[str] = []
    _look_at(message_from_bytes(content), shown, others, 0, is_mail=True)
    shown[OTHER] = [only_in(others, handed_on)]
    return account_of(shown, handed_on, attached=attached)


def account_of_msg(content: bytes, page: str, handed_on: str, attached: Mapping[str, int]) -> Account:
    """`page`: its text as HTML, where that is what was handed on."""
    other = str(extracted(content, MSG).content).removeprefix("**Subject**:")
    if not page:
        return account_of({TEXT: [other]}, handed_on, attached=attached)
    return account_of({**shown_on_page(page), OTHER: [only_in([other], handed_on)]}, handed_on, attached=attached)


def _look_at(part: Message, shown: dict[str, list[str]], others: list[str], depth: int, *, is_mail: bool) -> None:
    if is_mail:
        shown[TEXT] += [_decoded(str(part[name])) for name in _HEADS if name in part]
    found = part.get_payload()
    inner = [one for one in found if isinstance(one, Message)] if isinstance(found, list) else None
    if inner is None:
        came_with_it = part.get_filename() or "attachment" in str(part["Content-Disposition"])
        if part.get_content_type() in (HTML, "text/plain") and not came_with_it:
            _show(part, shown)
        return
    if part.get_content_type() == "multipart/alternative":
        pages = [one for one in inner if one.get_content_type() != "text/plain" and _says_something(one)]
        others += [_text(one) for one in inner if pages and one not in pages and not one.is_multipart()]
        inner = pages or inner
    for one in inner if depth < _DEEPEST else ():
        _look_at(one, shown, others, depth + 1, is_mail=part.get_content_type() == EML)


def _show(part: Message, shown: dict[str, list[str]]) -> None:
    if part.get_content_type() == HTML:
        for kind, texts in shown_on_page(_text(part)).items():
            shown.setdefault(kind, []).extend(texts)
    else:
        shown[TEXT].append(_text(part))


def _says_something(part: Message) -> bool:
    return any(says_something(_text(one)) for one in part.walk() if one.get_content_type() == HTML)


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    charset = part.get_content_charset("utf-8")
    try:
        return content.decode(charset, "replace") if isinstance(content, bytes) else ""
    except LookupError:
        return content.decode("latin-1") if isinstance(content, bytes) else ""


def _decoded(line: str) -> str:
    try:
        return str(make_header(decode_header(line)))
    except (ValueError, LookupError):
        return line
