"""A website: the pages of a sitemap, or a list of pages. Each page is one document, keyed by its address.

It asks before it fetches: a page is not transferred if its server says that it is unchanged. A page that does not answer
tonight never counts as gone; only 404, 410, robots.txt and `noindex` mean that.
"""

import shutil
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from rag_pipeline.connectors.web.page import MEDIA_TYPES, asks_whether_changed, row_of, version_of, wants_no_index
from rag_pipeline.connectors.web.robots import Robots
from rag_pipeline.connectors.web.server import WebServer
from rag_pipeline.connectors.web.sitemap import MAX_BYTES, list_pages
from rag_pipeline.errors import Named, SourceUnavailable, Unreadable
from rag_pipeline.extraction.account import Account
from rag_pipeline.feeds.base import Connector, Item, Known, Remark, Row
from rag_pipeline.fetching.address import address
from rag_pipeline.fetching.fetch import Answer, Disallowed, Fetcher, Passing
from rag_pipeline.fetching.hosts import Hosts, Resolve, look_up
from rag_pipeline.progress import progress

_UNREAD = "unread"
"""Version of a page that was never read, or cannot be read now: the next night asks for it anew."""

_IN_A_ROW = 10
"""Pages whose host does not answer, one after the other, after which no more are asked for."""


class Web(Connector):
    """Pages of `server.location`, a sitemap, and of `server.pages`.

    What is transferred while listing is kept in a temporary folder, which goes when the connector is let go of.
    `<lastmod>` and canonical addresses are not looked at: sitemaps give the day they were made, and whole sites name
    their front page as canonical. `noindex` is honoured.
    """

    reads = 2

    def __init__(self, server: WebServer, resolve: Resolve = look_up) -> None:
        """`resolve`: what looks up the names of hosts."""
        self._server = server
        folder = tempfile.mkdtemp(prefix="rag-web-")
        named = filter(None, map(address, [server.location, *server.pages]))
        self._fetcher = Fetcher(server.limits, Path(folder), Hosts((url.host for url in named), resolve))
        self._robots = Robots(self._fetcher)
        self._answers: dict[str, Answer] = {}
        self._problems: dict[str, str] = {}
        self._remarks: list[Remark] = []
        self._patience = _Patience(1)
        self._account: Account | None = None
        weakref.finalize(self, _let_go, self._fetcher, folder)

    def items(self, known: Known) -> Iterator[Item]:
        self._forget()
        pages = self._pages()
        self._patience = _Patience(len(pages))
        left_out: dict[str, list[str]] = defaultdict(list)
        unreachable: list[str] = []
        with progress(f"asking {self._server.says}", len(pages), unit="pages") as advance:
            for url in pages:
                key = str(url)
                before = known(key)
                try:
                    version = self._version(url, before)
                except _LeftOut as why:
                    left_out[str(why)].append(key)
                else:
                    if key in self._problems and version == before != _UNREAD:
                        unreachable.append(key)
                    yield Item(key, version)
                advance()
        for reason, keys in left_out.items():
            self._remarks.append(Remark(f"{len(keys)} of {len(pages)} pages are left out: {reason}", len(keys), keys[0]))
        if count := len(unreachable):
            says = f"{count} of {len(pages)} pages cannot be fetched now, and stay as they were last read"
            self._remarks.append(Remark(says, count, unreachable[0], unreachable=True))

    def remarks(self) -> Sequence[Remark]:
        return tuple(self._remarks)

    def expect(self, items: Sequence[Item]) -> None:
        self._patience = _Patience(len(items))

    def read(self, item: Item) -> Iterator[Row]:
        self._account = None
        if item.key in self._problems:
            raise Unreadable(self._problems[item.key])
        if item.key not in self._answers:
            self._answers[item.key] = self._again(item.key)
        row, self._account = row_of(item.key, self._answers[item.key])
        yield row

    def account(self) -> Account | None:
        return self._account

    def _forget(self) -> None:
        for answer in self._answers.values():
            _drop(answer)
        self._answers.clear()
        self._problems.clear()
        self._remarks.clear()

    def _pages(self) -> list[httpx.URL]:
        """Every address to ask for, once."""
        listed = list_pages(self._server.location, self._sitemap) if self._server.location else []
        named = []
        for page in self._server.pages:
            url = address(page)
            if url is None:
                raise SourceUnavailable(f"pages: {page!r} is not a plain http or https address")
            named.append(url)
        if not self._server.location and not named:
            raise SourceUnavailable("neither the address of a sitemap nor pages are given; set `location` or `pages`")
        return list(dict.fromkeys([*listed, *named]))

    def _version(self, url: httpx.URL, before: str | None) -> str:
        """A page's version now; its body, if it was transferred and is new, is kept. Raises `_LeftOut`."""
        key = str(url)
        try:
            answer = self._page(url, asks_whether_changed(before))
            self._patience.answered()
            return self._version_in(answer, key, before)
        except Disallowed as error:
            raise _LeftOut("robots.txt disallows them") from error
        except Passing as error:
            self._problems[key] = str(error)
            self._patience.lost(key, error)
            return before or _UNREAD
        except Unreadable as error:
            self._patience.answered()
            self._problems[key] = str(error)
            return _UNREAD

    def _version_in(self, answer: Answer, key: str, before: str | None) -> str:
        if answer.status in {404, 410}:
            raise _LeftOut("gone (404 or 410)")
        if answer.status in {200, 304} and wants_no_index(answer):
            _drop(answer)
            raise _LeftOut("they ask not to be indexed (noindex)")
        if answer.status == 304 and before and asks_whether_changed(before):
            return before
        version = version_of(_whole(answer))
        if version == before:
            _drop(answer)  # it will hardly be read; if its contract changed it is fetched again
        else:
            self._answers[key] = answer
        return version

    def _again(self, key: str) -> Answer:
        """A page that is read although it is unchanged, because its contract changed."""
        try:
            answer = _whole(self._page(httpx.URL(key), {}))
        except Passing as error:
            self._patience.lost(key, error)
            raise
        self._patience.answered()
        return answer

    def _page(self, url: httpx.URL, headers: dict[str, str]) -> Answer:
        limit = int(self._server.limits.max_mb * 1024**2)
        return self._fetcher.get(url, self._robots.allow, max_bytes=limit, media_types=MEDIA_TYPES, headers=headers)

    def _sitemap(self, url: httpx.URL) -> Answer:
        return self._fetcher.get(url, self._robots.allow, max_bytes=MAX_BYTES)


class _LeftOut(Exception):
    """A page that does not belong to the source, and why."""


class _Patience:
    """When so many pages cannot be had that the site is at fault, not a page of it."""

    def __init__(self, pages: int) -> None:
        self._pages, self._lost, self._in_a_row = pages, 0, 0

    def answered(self) -> None:
        self._in_a_row = 0

    def lost(self, url: str, error: Passing) -> None:
        """Raises `SourceUnavailable` when that was one too many."""
        self._lost += 1
        self._in_a_row = self._in_a_row + 1 if error.everywhere else 0
        if 2 * self._lost > self._pages or self._in_a_row == _IN_A_ROW:
            which = f"{self._in_a_row} one after the other" if self._in_a_row == _IN_A_ROW else str(self._lost)
            raise Named(
                f"{which} of {self._pages} pages could not be fetched, the last, ",
                url,
                f": {error}. Is the site up, and does it allow so "
                "many requests (requestsPerSecond, timeoutSeconds, retries)?",
            )


def _whole(answer: Answer) -> Answer:
    """The answer, if it is a page with its body. Raises `Unreadable` when it is none."""
    if answer.body is None:
        why = {401: " (it wants a login)", 403: " (we may not read it)", 404: " (it is gone)", 410: " (it is gone)"}
        raise Unreadable(f"answered {answer.status}{why.get(answer.status, '')}")
    return answer


def _drop(answer: Answer) -> None:
    if answer.body is not None:
        answer.body.unlink()


def _let_go(fetcher: Fetcher, folder: str) -> None:
    fetcher.close()
    shutil.rmtree(folder, ignore_errors=True)
