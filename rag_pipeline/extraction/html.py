"""HTML before it becomes text: its characters, its head, and what must not count as its text."""

import re
from html.parser import HTMLParser

from rag_pipeline.errors import Unreadable

AGENT = "rag-pipeline"
"""The robot that pages may address."""

HEAD_BYTES = 256 * 1024
"""How much of a page is searched for its head."""
_META_BYTES = 1024
"""A page has to name its charset within these bytes (HTML)."""


_BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}

_MEANT = {
    **dict.fromkeys(("ascii", "us-ascii", "latin1", "latin-1", "iso-8859-1", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks-c-5601-1987"), "cp949"),
    "windows-874": "cp874",
    "macintosh": "mac-roman",
}
"""The web says these and means those (encoding.spec.whatwg.org)."""

_CHARSETS = re.compile(
    r"utf-?8|utf-16(-?[lb]e)?|iso-?8859-([2-9]|1[013456])|(windows-|cp)125[0-8]|(cp|ibm)866|cp874|cp932|cp949"
    r"|koi8-[ru]|gb18030|big5(-hkscs)?|euc-jp|iso-2022-jp|mac-roman"
)
"""What pages may be in. Python has codecs beside these that are no charsets, and some that take for ever."""


def codec_of(content: bytes, charset: str, *, html: bool = True) -> tuple[bytes, str]:
    """Byte order mark and Python codec of a page: what the mark says, else its header, else its `<meta>`, else UTF-8.

    The codec is empty when the charset is not known.
    """
    for bom, codec in _BOMS.items():
        if content.startswith(bom):
            return bom, codec
    said = charset or (_charset_within(content) if html else "") or "utf-8"
    codec = _MEANT.get(said.lower().replace("_", "-"), said.lower().replace("_", "-"))
    return b"", codec if _CHARSETS.fullmatch(codec) else ""


def _charset_within(content: bytes) -> str:
    """What `<meta charset>`, or its older form, or the first line of XHTML says; empty when none says anything."""
    match = re.search(rb"<meta\s[^>]*?charset\s*=\s*[\"']?\s*([\w.:-]+)", content[:_META_BYTES], re.IGNORECASE)
    match = match or re.match(rb"""\s*<\?xml\s[^<>]*?\bencoding\s*=\s*["']([\w.:-]+)""", content[:_META_BYTES])
    found = match[1].decode("latin-1") if match else ""
    return "utf-8" if found.lower().startswith("utf-16") else found  # were it UTF-16, this could not have been found


def characters(content: bytes, charset: str, *, html: bool) -> str:
    """A page's characters. Raises `Unreadable` when it is not in the charset it names, or names none and is not UTF-8."""
    bom, codec = codec_of(content, charset, html=html)
    if not codec:
        raise Unreadable("it names a charset that no page may use; UTF-8 is best")
    try:
        return content[len(bom) :].decode(codec)
    except UnicodeDecodeError as error:
        place = len(bom) + error.start
        raise Unreadable(
            f"not {codec}: byte 0x{content[place]:02x} at offset {place}; does its server name the right charset?"
        ) from error


class Head(HTMLParser):
    """Title and robots directives of a page's head."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.robots: list[str] = []
        self._title: list[str] = []
        self._in_title = self._over = False
        self.feed(page[:HEAD_BYTES])

    @property
    def title(self) -> str:
        return " ".join("".join(self._title).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._over = self._over or tag == "body"
        said = {name: value or "" for name, value in attrs}
        if tag == "meta" and not self._over and said.get("name", "").strip().lower() in {"robots", AGENT}:
            self.robots.append(said.get("content", ""))
        self._in_title = tag == "title" and not self._over and not self._title

    def handle_endtag(self, tag: str) -> None:
        self._over = self._over or tag == "head"
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title.append(data)


_METADATA = re.compile(
    r"""<title[^<>]*>[^<]*</title\s*>|<(?:meta|link|base)\b(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""", re.IGNORECASE
)
"""What kreuzberg would put before the text, as a heading of its own; and a charset the text is no longer in."""


_FORM = re.compile(r"<(/?)form(?=[\s/>])", re.IGNORECASE)
_SVG = re.compile(r"<(/?)svg(?=[\s/>])[^<>]*>", re.IGNORECASE)
_IMAGE = re.compile(r"""<img\b(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""", re.IGNORECASE)
_DATA_URL = re.compile(
    r"""(\s(?:src|srcset|href|xlink:href|poster|data|background)\s*=\s*)("\s*data:[^"]*"|'\s*data:[^']*'|data:[^\s>]*)""",
    re.IGNORECASE,
)
_ALT = re.compile(r"""\salt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)


def without_what_is_no_text(page: str) -> bytes:
    """A page as UTF-8 for kreuzberg, which would take some of it for text, and leave out some that is.

    Away go the head's title and metadata, drawings (`<svg>`) and pictures that lie inside the page itself (`data:`), whose
    base64 would become text; of such a picture its description stays. Forms become plain blocks: ASP.NET and SharePoint
    put a whole page into one, and kreuzberg leaves forms out.
    """
    page = _FORM.sub(r"<\1div", _without_drawings(_METADATA.sub("", page)))
    return without_data_urls(page).encode()


def without_data_urls(page: str) -> str:
    """The page without pictures that are stored inside the page itself; their descriptions stay."""
    return _DATA_URL.sub(r'\1""', _IMAGE.sub(_described, page))


def _without_drawings(page: str) -> str:
    """The page without `<svg>` elements, which may hold others; one that is never closed loses its first tag only."""
    kept: list[str] = []
    depth, end = 0, 0
    for tag in _SVG.finditer(page):
        if not depth:
            kept.append(page[end : tag.start()])
            end = tag.end()
        if tag[1]:
            depth = max(0, depth - 1)
            end = end if depth else tag.end()
        elif not tag[0].endswith("/>"):
            depth += 1
    return "".join([*kept, page[end:]])


def _described(image: re.Match[str]) -> str:
    if not _DATA_URL.search(image[0]):
        return image[0]
    alt = _ALT.search(image[0])
    return (alt[1] or alt[2] or alt[3] or "") if alt else ""
