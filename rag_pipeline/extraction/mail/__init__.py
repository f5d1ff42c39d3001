"""Mails: who wrote to whom, when, and what. Files that came with a mail are counted; mails that were passed on are read."""

import mimetypes
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rag_pipeline.extraction.extract import page_text
from rag_pipeline.extraction.kinds import HTML, suffix_of

DEEPEST = 5
"""How often a mail may be passed on inside another one, and be read."""

HEADS = ("From", "To", "Cc", "Date")
PLAIN = "text/plain"


@dataclass
class Mail:
    """One mail. `bodies`: its texts in order, each with what it is written in, HTML or plain text."""

    subject: str = ""
    heads: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[tuple[str, str]] = field(default_factory=list)
    passed_on: list["Mail"] = field(default_factory=list)
    attached: Counter[str] = field(default_factory=Counter)
    """Files that came with it, by suffix."""

    def all_attached(self) -> Counter[str]:
        return sum((one.all_attached() for one in self.passed_on), Counter(self.attached))


def mail_text(mail: Mail, depth: int = 1) -> str:
    """The mail as Markdown: its subject as a heading, a line a head, its texts, and mails that were passed on with it."""
    parts = [
        f"{'#' * min(depth, 6)} {mail.subject}" if mail.subject else "",
        "\n".join(f"{name}: {value}" for name, value in mail.heads),
        *(page_text(text).strip() if kind == HTML else text.strip() for kind, text in mail.bodies),
        *(mail_text(one, depth + 1).strip() for one in mail.passed_on),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def kind_of_file(name: str, media_type: str) -> str:
    """The suffix under which a file that came with a mail is counted."""
    if PurePosixPath(name).suffix:
        return suffix_of(PurePosixPath(name))
    return "no suffix" if media_type == "application/octet-stream" else mimetypes.guess_extension(media_type) or "no suffix"
