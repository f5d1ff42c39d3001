"""From a fetched page to a row: its version, whether it wants to be found, its text in the charset that it declares."""

from datetime import timedelta

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.account import Account
from rag_pipeline.extraction.html import AGENT, HEAD_BYTES, Head, characters, codec_of
from rag_pipeline.extraction.kinds import HTML
from rag_pipeline.extraction.parsing import document
from rag_pipeline.feeds.base import Row
from rag_pipeline.fetching.fetch import Answer, http_date

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"text/plain", "text/markdown"})
MEDIA_TYPES = _HTML | _TEXT | {"application/pdf"}


def version_of(answer: Answer) -> str:
    """What changes with the page: its ETag, else its Last-Modified, else the hash of its body.

    A Last-Modified less than a second before the answer is none: the page may change again within that second
    (RFC 9110, 8.8.2.2). Neither is one the server makes up for every answer.
    """
    if _can_be_sent_back(answer.etag):
        return f"etag:{answer.etag}"
    modified, now = http_date(answer.last_modified), http_date(answer.date)
    settled = modified is not None and (now is None or now - modified >= timedelta(seconds=1))
    if settled and _can_be_sent_back(answer.last_modified):
        return f"modified:{answer.last_modified}"
    return f"sha256:{answer.sha256}"


def asks_whether_changed(version: str | None) -> dict[str, str]:
    """The header that has a server answer 304 when a page still has this version; none when it cannot tell."""
    kind, _, value = (version or "").partition(":")
    header = {"etag": "If-None-Match", "modified": "If-Modified-Since"}.get(kind)
    return {header: value} if header else {}


def _can_be_sent_back(value: str) -> bool:
    return 0 < len(value) <= 500 and value.isascii() and value.isprintable()


def wants_no_index(answer: Answer) -> bool:
    """Whether a page asks not to be found: `X-Robots-Tag`, or `<meta name="robots">`, with `noindex` or `none`."""
    if any(_forbids(_addressed_to_us(line)) for line in answer.robots):
        return True
    if answer.body is None or answer.media_type not in _HTML:
        return False
    with answer.body.open("rb") as file:
        start = file.read(HEAD_BYTES)
    bom, codec = codec_of(start, answer.charset)
    return any(_forbids(said) for said in Head(start[len(bom) :].decode(codec or "latin-1", "replace")).robots)


def _forbids(directives: str) -> bool:
    return bool({"noindex", "none"} & {word.strip().lower() for word in directives.split(",")})


def _addressed_to_us(line: str) -> str:
    """The directives of an `X-Robots-Tag` line, which may begin with the name of the robot it is for."""
    name, colon, rest = line.partition(":")
    if not colon or "," in name or name.strip().lower() == "unavailable_after":
        return line
    return rest if name.strip().lower() == AGENT else ""


def row_of(key: str, answer: Answer) -> tuple[Row, Account | None]:
    """The one row of a page, and what the page shows and the row lacks.

    Raises `Unreadable` when it is not what it says it is, or says nothing.
    """
    if answer.body is None:
        raise Unreadable("the answer has no body")
    content = answer.body.read_bytes()
    if not content.strip():
        raise Unreadable("the page is empty")
    if answer.media_type in _TEXT:
        parsed = document(characters(content, answer.charset, html=False).encode(), None)
    else:
        parsed = document(content, HTML if answer.media_type in _HTML else answer.media_type, answer.charset)
    row = {
        "path": key,
        "text": parsed.text,
        "title": parsed.title or key,
        "uri": str(answer.url),
        "modified_at": http_date(answer.last_modified),
        "media_type": answer.media_type,
    }
    return row, parsed.account
