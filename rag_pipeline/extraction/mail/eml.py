"""Mails as they are sent (EML), read by Python's own `email`: kreuzberg joins the lines of a text and the cells of a table.

Sources of the format: RFC 5322 (messages), RFC 2045 to 2047 (MIME), RFC 2183 (attachments).
"""

from email import message_from_bytes, policy
from email.errors import CloseBoundaryNotFoundDefect, StartBoundaryNotFoundDefect
from email.message import Message

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account.page import says_something
from rag_pipeline.extraction.html import characters
from rag_pipeline.extraction.kinds import EML, HTML, called
from rag_pipeline.extraction.mail import DEEPEST, HEADS, PLAIN, Mail, kind_of_file

_OF_A_MAIL = ("From", "To", "Subject", "Date", "Received", "Message-ID")
_CUT_OFF = (CloseBoundaryNotFoundDefect, StartBoundaryNotFoundDefect)


def mail_of_eml(content: bytes) -> Mail:
    """Raises `Unreadable` when it is no mail, is cut off, or holds a text that is not in the charset it names."""
    try:
        message = message_from_bytes(content, policy=policy.default)
        if not any(name in message for name in _OF_A_MAIL):
            raise Unreadable(f"not readable as {called(EML)}: it has none of the lines From, To, Subject and Date")
        if any(isinstance(one, _CUT_OFF) for part in message.walk() for one in part.defects):
            raise Unreadable(f"not readable as {called(EML)}: its last part does not end; is it cut off?")
        return _mail(message, DEEPEST)
    except RecursionError as error:
        raise Unreadable(f"not readable as {called(EML)}: its parts lie too deep in one another") from error


def _mail(message: Message, left: int) -> Mail:
    mail = Mail(_line(message, "Subject"), [(name, said) for name in HEADS if (said := _line(message, name))])
    _take(message, mail, left)
    return mail


def _line(message: Message, name: str) -> str:
    """A line of the head as people read it; `email` stumbles over some that are written as no standard says."""
    try:
        said = str(message.get(name, ""))
    except Exception:
        said = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    return " ".join(said.encode("utf-8", "replace").decode().split())


def _take(part: Message, mail: Mail, left: int) -> None:
    """What one part says, into the mail it belongs to."""
    kind = part.get_content_type()
    if kind == EML and part.is_multipart() and left > 0:
        mail.passed_on += [_mail(inner, left - 1) for inner in _inner(part)]
    elif kind == "multipart/alternative" and part.is_multipart():
        forms = Mail()
        for inner in _inner(part):
            _take(inner, forms, left)
        mail.bodies += _best(forms.bodies)
        mail.passed_on += forms.passed_on
        mail.attached += forms.attached
    elif part.is_multipart() and kind != EML:
        for inner in _inner(part):
            _take(inner, mail, left)
    elif kind in (HTML, PLAIN) and not _name(part) and part.get_content_disposition() != "attachment":
        mail.bodies.append((kind, _characters(part, html=kind == HTML)))
    elif not (kind.startswith("image/") and part.get("Content-ID")):  # which the text shows where it stands
        mail.attached[kind_of_file(_name(part), kind)] += 1


def _inner(part: Message) -> list[Message]:
    found = part.get_payload()
    return [one for one in found if isinstance(one, Message)] if isinstance(found, list) else []


def _best(forms: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Chooses among several forms of the same text: the page, if it shows any text, else the plain text."""
    pages = [one for one in forms if one[0] == HTML and says_something(one[1])]
    return pages or [one for one in forms if one[0] == PLAIN] or forms


def _name(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except Exception:  # a name written as no standard says
        return "?"


def _characters(part: Message, *, html: bool) -> str:
    content = part.get_payload(decode=True)
    charset = part.get_content_charset("")
    return characters(content if isinstance(content, bytes) else b"", charset, html=html).replace("\r\n", "\n")
