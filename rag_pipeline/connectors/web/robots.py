"""What robots.txt allows (RFC 9309), for one load: each host's is read once, and a host that cannot say counts as closed."""

import logging

import httpx
from protego import Protego

from rag_pipeline.errors import SourceUnavailable, Unreadable
from rag_pipeline.extraction.html import AGENT
from rag_pipeline.fetching.fetch import Fetcher

log = logging.getLogger("rag_pipeline")

_READ_BYTES = 512 * 1024
"""The standard wants the first 500 KiB honoured."""

_MAX_BYTES = 5 * 1024 * 1024
_LONGEST_DELAY_S = 60.0


class Robots:
    """The rules of every host met, read when first needed."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._rules: dict[httpx.URL, Protego | SourceUnavailable] = {}

    def allow(self, url: httpx.URL) -> bool:
        """Whether an address may be fetched. Raises `SourceUnavailable` when its host does not say."""
        robots = url.copy_with(raw_path=b"/robots.txt")
        if robots not in self._rules:
            try:
                self._rules[robots] = self._read(robots)
            except SourceUnavailable as error:
                self._rules[robots] = error
        rules = self._rules[robots]
        if isinstance(rules, SourceUnavailable):
            raise rules
        return bool(rules.can_fetch(str(url), AGENT))

    def _read(self, url: httpx.URL) -> Protego:
        try:
            answer = self._fetcher.get(url, lambda _: True, max_bytes=_MAX_BYTES)
        except Unreadable as error:
            raise SourceUnavailable(f"{url}: {error}; until it can be read, no page of its host may be fetched") from error
        text = ""  # a host without the file, 4xx, allows everything
        if answer.body is not None:
            with answer.body.open("rb") as file:
                text = file.read(_READ_BYTES).decode("utf-8-sig", "replace")
            answer.body.unlink()
        elif not 400 <= answer.status < 500:
            raise SourceUnavailable(f"{url}: answered {answer.status}; a site without rules answers 404")
        rules = Protego.parse(text)
        delay_s = rules.crawl_delay(AGENT) or 0.0
        if delay_s > _LONGEST_DELAY_S:
            raise SourceUnavailable(
                f"{url} asks for {delay_s:g} s between requests (Crawl-delay), more than the {_LONGEST_DELAY_S:g} s "
                f"that are waited; ask its owner for a rule for {AGENT}"
            )
        if delay_s > 0:
            log.info("%s asks for %g s between requests", url, delay_s)
            self._fetcher.pace.slow_down(url.host, delay_s)
        return rules
