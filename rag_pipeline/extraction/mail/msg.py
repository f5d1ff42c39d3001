"""Mails as Outlook keeps them (MSG), read by python-oxmsg: kreuzberg finds no text in a mail that keeps it as HTML alone.

Source of the format: [MS-OXMSG] (properties in a compound file), [MS-OXPROPS] (their numbers).
"""

from typing import Any

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account.page import says_something
from rag_pipeline.extraction.extract import not_readable
from rag_pipeline.extraction.kinds import HTML, MSG
from rag_pipeline.extraction.mail import PLAIN, Mail, kind_of_file

_TO, _CC = 1, 2


def mail_of_msg(content: bytes) -> Mail:
    """Raises `Unreadable` when it is no such mail, or keeps its text as rich text alone, which nothing here reads."""
    try:
        return _mail(content)
    except Unreadable:
        raise
    except Exception as error:  # olefile and python-oxmsg stumble over a broken file in many ways
        raise not_readable(MSG, error) from error


def _mail(content: bytes) -> Mail:
    from oxmsg import Message
    from oxmsg.domain import constants

    message = Message.load(content)
    page, plain = message.html_body or "", message.body or ""
    if not page.strip() and not plain.strip() and message.properties.binary_prop_value(constants.PID_RTF_COMPRESSED):
        raise Unreadable("keeps its text as rich text alone, which is not read; save it as .eml")
    sent = message.sent_date
    heads = {
        "From": message.sender or "",
        "To": _people(message, _TO),
        "Cc": _people(message, _CC),
        "Date": sent.isoformat() if sent else "",
    }
    mail = Mail(_line(message.subject), [(name, _line(said)) for name, said in heads.items() if said.strip()])
    mail.bodies = [(HTML, page)] if says_something(page) else [(PLAIN, plain.replace("\r\n", "\n"))] if plain.strip() else []
    for one in message.attachments:
        mail.attached[kind_of_file(one.file_name or "", one.mime_type or "")] += 1
    return mail


def _people(message: Any, kind: int) -> str:
    from oxmsg.domain import constants

    found = [one for one in message.recipients if one.properties.int_prop_value(constants.PID_RECIPIENT_TYPE) == kind]
    return ", ".join(f'"{one.name}" <{one.email_address}>' if one.email_address else one.name for one in found)


def _line(said: str) -> str:
    return " ".join(said.replace("\x00", "").split())
