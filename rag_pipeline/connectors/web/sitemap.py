"""Sitemaps (sitemaps.org): the addresses of a site's pages, also through sitemap indexes and gzip.

A sitemap is somebody else's file: it is parsed as a stream, without a tree, and nothing in it is expanded.
"""

import gzip
import logging
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from xml.etree.ElementTree import ParseError

import httpx
from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]

from rag_pipeline.errors import Named, SourceUnavailable, Unreadable
from rag_pipeline.fetching.address import address, site
from rag_pipeline.fetching.fetch import Answer

log = logging.getLogger("rag_pipeline")

MAX_BYTES = 50 * 1024 * 1024
"""The limit for one sitemap, unpacked; the protocol's own."""

MAX_ENTRIES = 50_000
"""The limit for one sitemap; the protocol's own."""

MAX_PAGES = 1_000_000
MAX_DEPTH = 3
"""A sitemap index may name another one, and that one sitemaps."""

Fetch = Callable[[httpx.URL], Answer]


def list_pages(location: str, fetch: Fetch) -> list[httpx.URL]:
    """The pages a sitemap names, each once, in its order, without those of other sites.

    `<lastmod>` is not looked at: many sitemaps give the day they were made. Raises `SourceUnavailable`, naming the
    sitemap, when one of them cannot be read: its pages are not gone.
    """
    first = address(location)
    if first is None:
        raise SourceUnavailable(f"{location!r} is not the http or https address of a sitemap; check `location`")
    pages: dict[httpx.URL, None] = {}
    visited, waiting = {first}, [(first, 1)]
    ignored: Counter[str] = Counter()
    while waiting:
        url, depth = waiting.pop()
        own, index, found = _read(url, fetch)
        if index and depth == MAX_DEPTH:
            raise _trouble(url, f" is an index inside {depth - 1} others; name the inner one as `location`")
        usable = [entry for entry in map(address, found) if entry is not None and site(entry) in own]
        if len(usable) < len(found):
            ignored[str(url)] += len(found) - len(usable)
        if index:
            fresh = [entry for entry in dict.fromkeys(usable) if entry not in visited]
            visited.update(fresh)
            waiting += [(entry, depth + 1) for entry in reversed(fresh)]
        else:
            pages.update(dict.fromkeys(usable))
        if len(pages) > MAX_PAGES:
            raise SourceUnavailable(f"the sitemap {first} names more than {MAX_PAGES:,} pages; make it several sources")
    if ignored:
        log.warning(
            "%d entries of %d sitemaps are left out, because they are not plain "
            "addresses of the sitemap's own site; look at "
            "%s and the sitemaps it names; pages of other sites belong in `pages`",
            ignored.total(),
            len(ignored),
            first,
        )
    return list(pages)


def _trouble(url: httpx.URL, says: str) -> Named:
    """Sitemaps inside of an index are named by the feed."""
    return Named("the sitemap ", str(url), says)


def _read(url: httpx.URL, fetch: Fetch) -> tuple[set[tuple[str, int | None]], bool, list[str]]:
    """The sites a sitemap may speak for, whether it is an index, and the addresses it names."""
    try:
        answer = fetch(url)
    except Unreadable as error:
        raise _trouble(url, f": {error}") from error
    if answer.body is None:
        raise _trouble(url, f" answered {answer.status}; check `location`, or what names it")
    try:
        entries = _Entries(url)
        parser = DefusedXMLParser(target=entries, forbid_dtd=True)
        for part in _unpacked(answer.body, url):
            parser.feed(part)
        parser.close()
    except ParseError as error:
        line, column = error.position
        raise _trouble(url, f" is not well-formed XML: line {line}, column {column}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _trouble(url, f" is not readable as gzip ({type(error).__name__})") from error
    except (ValueError, LookupError) as error:  # what defusedxml refuses, and encodings expat does not know
        raise _trouble(url, f" is refused: {type(error).__name__}") from error
    finally:
        answer.body.unlink()
    return {site(url), site(answer.url)}, entries.index, entries.found


def _unpacked(path: Path, url: httpx.URL) -> Iterator[bytes]:
    """The file in pieces, unpacked if it is gzip by its first bytes: servers name the type as they like."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        size = 0
        with gzip.open(raw) if packed else nullcontext(raw) as file:
            while part := file.read(65_536):
                size += len(part)
                if size > MAX_BYTES:
                    raise _trouble(url, f" unpacks to more than {MAX_BYTES // 1024**2} MiB; split it")
                yield part


class _Entries:
    """Takes the parser's events: the text of each `<loc>` that is an entry's own (an image's lies deeper)."""

    def __init__(self, url: httpx.URL) -> None:
        self.found: list[str] = []
        self.index = False
        self._url, self._depth = url, 0
        self._text: list[str] | None = None

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._depth += 1
        name = tag.rpartition("}")[2]
        if self._depth == 1:
            if name not in {"urlset", "sitemapindex"}:
                raise _trouble(self._url, f" is XML, but not a sitemap: its root is <{name[:40]}>")
            self.index = name == "sitemapindex"
        self._text = [] if self._depth == 3 and name == "loc" else None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, _: str) -> None:
        if self._text is not None and self._depth == 3:
            self.found.append("".join(self._text))
            if len(self.found) > MAX_ENTRIES:
                raise _trouble(self._url, f" has more than {MAX_ENTRIES:,} entries; split it")
            self._text = None
        self._depth -= 1
