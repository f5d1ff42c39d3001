"""Fetching over HTTP, politely and with an end: paced, retried, every redirect checked, bodies spooled to disk.

It knows nothing of pages or sitemaps. It never holds a whole body in memory, and no message holds a part of one, or more
of an address than its host.
"""

import hashlib
import logging
import os
import ssl
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.extraction.html import AGENT
from rag_pipeline.fetching.address import address
from rag_pipeline.fetching.hosts import Hosts
from rag_pipeline.fetching.pinned import Pinned
from rag_pipeline.limits import Limits

_NO_ADDRESS = "redirects to something that is not an address"

USER_AGENT = f"{AGENT}/{version(AGENT)} (builds a search index; robots.txt may address it as {AGENT})"

MAX_REDIRECTS = 5
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 60.0
_LONGEST_ANSWER = 10
"""Times the time-out: a body that trickles in is given up after that."""

_AGAIN = {408, 429, 500, 502, 503, 504}
_LATER = {429, 503}
"""For these, a `Retry-After` says when to come back."""


class Disallowed(Unreadable):
    """robots.txt keeps this address, or one it redirects to, from us."""


class Passing(Unreadable):
    """A request failed for a reason that may be gone tomorrow.

    `everywhere`: other pages of the host will hardly fare better. `again`: worth another try now, after `wait_s` if
    the server said when.
    """

    def __init__(self, reason: str, *, everywhere: bool, again: bool = True, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.everywhere, self.again, self.wait_s = everywhere, again, wait_s


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered at the end of its redirects. `body` is there when the status is 200."""

    url: httpx.URL
    status: int
    media_type: str = ""
    charset: str = ""
    etag: str = ""
    last_modified: str = ""
    date: str = ""
    robots: tuple[str, ...] = ()
    """Its `X-Robots-Tag` lines."""
    location: str | None = None
    body: Path | None = None
    sha256: str = ""


Allow = Callable[[httpx.URL], bool]
"""Whether robots.txt lets us fetch an address. Raises `SourceUnavailable` when that cannot be known."""


class Pace:
    """Allows at most so many requests a second to one host, whichever thread makes them."""

    def __init__(self, per_second: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._gaps: dict[str, float] = defaultdict(lambda: 1 / per_second)
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def slow_down(self, host: str, gap_s: float) -> None:
        with self._lock:
            self._gaps[host] = max(self._gaps[host], gap_s)

    def wait(self, host: str) -> None:
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next.get(host, now))
            self._next[host] = at + self._gaps[host]
        self._sleep(at - now)


class Fetcher:
    """One HTTP client for everything a connector does. Bodies lie in `folder`, which the caller removes."""

    def __init__(self, limits: Limits, folder: Path, hosts: Hosts) -> None:
        self.pace = Pace(limits.per_second)
        self._limits, self._folder, self._hosts = limits, folder, hosts
        for name in ("httpx", "httpcore"):  # they log every address, and addresses may be private
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = httpx.Client(
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip"},
            timeout=limits.timeout_s,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=Pinned(hosts, _authorities()),
        )
        self._retrying = Retrying(
            stop=stop_after_attempt(1 + limits.retries),
            wait=_wait_s,
            retry=retry_if_exception(lambda error: isinstance(error, Passing) and error.again),
            reraise=True,
        )
        self.close = self._client.close

    def get(
        self,
        url: httpx.URL,
        allow: Allow,
        *,
        max_bytes: int,
        media_types: frozenset[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """What is at an address, or where that redirects to. Of a media type not among `media_types` no body is read.

        Raises `Disallowed`; `Passing` when it failed after all retries; `Unreadable` when it fails for a reason that
        stays; `SourceUnavailable` when the robots.txt of the address's own host cannot be read.
        """
        first = url
        if self._hosts.leads_inside(url.host, url.host):
            raise Unreadable(f"{url.host} is inside a private network, and no host that the contract names is")
        for hop in range(MAX_REDIRECTS + 1):
            if not _may_fetch(url, allow, redirected=hop > 0):
                raise Disallowed("redirects to a page that robots.txt disallows" if hop else "robots.txt disallows it")
            answer: Answer = self._retrying(self._request, url, headers, max_bytes, media_types)
            if answer.location is None:
                return answer
            url = self._target(first, answer)
        raise Unreadable(f"redirects in a circle, or more than {MAX_REDIRECTS} times")

    def _target(self, first: httpx.URL, answer: Answer) -> httpx.URL:
        """Where an answer redirects to. Raises `Unreadable` when that is nowhere to go."""
        target = None
        with suppress(httpx.InvalidURL, ValueError):
            target = address(str(answer.url.join(answer.location or "")))
        if target is None:
            raise Unreadable("redirects to something that is not a plain http or https address")
        if self._hosts.leads_inside(target.host, first.host):
            raise Unreadable(f"redirects to {target.host}, inside a private network, which a public page must not do")
        return target

    def _request(
        self, url: httpx.URL, headers: Mapping[str, str] | None, max_bytes: int, media_types: frozenset[str] | None
    ) -> Answer:
        self.pace.wait(url.host)
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                answer = _answer(response)
                if answer.status != 200:
                    return answer
                if media_types is not None and answer.media_type not in media_types:
                    kind = f"is {answer.media_type[:80]}" if answer.media_type else "has no Content-Type"
                    raise Unreadable(f"{kind}; read are {', '.join(sorted(media_types))}")
                coding = response.headers.get("Content-Encoding", "").strip().lower()
                if coding not in _CODINGS:
                    raise Unreadable(f"is sent with Content-Encoding {coding[:40]!r}, which was not asked for")
                return self._spooled(answer, response, max_bytes)
        except httpx.TimeoutException as error:
            raise Passing(f"no answer within {self._limits.timeout_s:g} s", everywhere=True) from error
        except httpx.ConnectError as error:
            raise Passing(f"no connection to {url.host} ({error})", everywhere=True) from error
        except httpx.TransportError as error:
            if "location header" in str(error):  # httpx looks at it even when it is not to follow it
                raise Unreadable(_NO_ADDRESS) from error
            raise Passing(f"the connection broke off ({type(error).__name__})", everywhere=False) from None  # it quotes
        except httpx.DecodingError as error:
            raise Unreadable(f"is not the {coding} it is said to be") from error
        except httpx.InvalidURL as error:
            raise Unreadable(_NO_ADDRESS) from error

    def _spooled(self, answer: Answer, response: httpx.Response, max_bytes: int) -> Answer:
        too_large = Unreadable(f"larger than {max_bytes / 1024**2:g} MiB; split it, or raise maxMegabytes in the contract")
        said = response.headers.get("Content-Length", "")
        if said.isdigit() and int(said) > max_bytes:
            raise too_large
        limit_s = _LONGEST_ANSWER * self._limits.timeout_s
        deadline = time.monotonic() + limit_s
        handle, name = tempfile.mkstemp(dir=self._folder)
        digest, size = hashlib.sha256(), 0
        try:
            with os.fdopen(handle, "wb") as file:
                for part in response.iter_bytes():
                    size += len(part)
                    if size > max_bytes:
                        raise too_large
                    if time.monotonic() > deadline:
                        raise Passing(f"not sent completely within {limit_s:g} s", everywhere=False, again=False)
                    digest.update(part)
                    file.write(part)
        except BaseException:
            Path(name).unlink()
            raise
        return replace(answer, body=Path(name), sha256=digest.hexdigest())


@cache
def _authorities() -> ssl.SSLContext:
    """Whom to believe about a host's name. Reading their certificates takes longer than most requests: once a process."""
    return httpx.create_ssl_context()


_CODINGS = {"", "identity", "gzip", "deflate"}
"""What httpx undoes. It hands on the bytes of others as they are, and several at a time are how a bomb is packed."""


def _may_fetch(url: httpx.URL, allow: Allow, *, redirected: bool) -> bool:
    try:
        return allow(url)
    except SourceUnavailable as error:
        if not redirected:
            raise
        raise Passing(f"redirects to {url.host}, whose robots.txt could not be read", everywhere=False) from error


def _answer(response: httpx.Response) -> Answer:
    """The answer without its body. Raises `Passing` for a status that says so."""
    status, headers = response.status_code, response.headers
    if status in _AGAIN or status >= 500:
        wait_s = _retry_after_s(headers) if status in _LATER else 0.0
        too_long = f", and asks to come back in {wait_s:.0f} s" if wait_s > _LONGEST_WAIT_S else ""
        again = status in _AGAIN and not too_long
        raise Passing(f"answered {status}{too_long}", everywhere=status in _LATER, again=again, wait_s=wait_s)
    return Answer(
        url=response.request.url,
        status=status,
        media_type=headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        charset=response.charset_encoding or "",
        etag=headers.get("ETag", "").strip(),
        last_modified=headers.get("Last-Modified", "").strip(),
        date=headers.get("Date", "").strip(),
        robots=tuple(headers.get_list("X-Robots-Tag")),
        location=headers["Location"] if response.has_redirect_location else None,
    )


def _wait_s(state: RetryCallState) -> float:
    """Twice as long each time, and not shorter than the server asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait_s if isinstance(error, Passing) else 0.0
    return max(asked, wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S)(state))


def _retry_after_s(headers: httpx.Headers) -> float:
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said[:9])
    at = http_date(said)
    return max(0.0, (at - datetime.now(UTC)).total_seconds()) if at else 0.0


def http_date(text: str) -> datetime | None:
    """A date as HTTP writes it, in UTC; None when it is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        return None
