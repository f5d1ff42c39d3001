"""Who is let in: by which name the replica was called, who calls, how often. It decides before a body is read or parsed."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from urllib.parse import parse_qsl

from rag_pipeline.contracts.labels import EVERYTHING
from rag_pipeline.door.keys import PREFIX, KeyRing
from rag_pipeline.door.limits import Rates
from rag_pipeline.door.principal import ANSWER, FEEDBACK, JUDGE, MODE, SEARCH, Principal
from rag_pipeline.door.problems import (
    FORBIDDEN,
    FOREIGN_HOST,
    KEY_IN_ADDRESS,
    NOT_FOUND,
    UNAUTHENTICATED,
    Problem,
)
from rag_pipeline.door.tokens import Tokens
from rag_pipeline.urls import WEB, means_a_secret

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

NOTHING_TO_READ = "nothing is granted to be read"

LOCAL = Principal("local", frozenset({SEARCH, MODE, ANSWER, FEEDBACK, JUDGE}), frozenset({EVERYTHING}))
"""Whoever asks where nobody has to say who they are: `--no-auth`, and `rag mcp`."""

_BEARER = re.compile(r"(?i)bearer ([A-Za-z0-9._~+/=-]{1,8192})")

Headers = list[tuple[bytes, bytes]]


class Door:
    """What every request passes, over HTTP and MCP alike."""

    def __init__(
        self,
        keys: KeyRing | None,
        tokens: Tokens | None,
        rates: Rates,
        hosts: Iterable[str],
        now: Callable[[], datetime],
    ) -> None:
        """`keys` None: nobody has to say who they are, which is for loopback alone."""
        self._keys, self._tokens, self._rates, self._now = keys, tokens, rates, now
        self._hosts = {*LOOPBACK, *(host.lower() for host in hosts)}

    def check_address(self, headers: Headers, query: bytes) -> None:
        """Raises `Problem` for a host or an origin that is not the replica's own, and for a key in the address."""
        hosts = _all(headers, b"host")
        if len(hosts) != 1 or _without_port(hosts[0]) not in self._hosts:
            raise Problem(FOREIGN_HOST)
        for origin in _all(headers, b"origin"):
            scheme, _, host = origin.partition("://")
            if scheme not in WEB or _without_port(host) not in self._hosts:
                raise Problem(FOREIGN_HOST)
        text = query.decode("latin-1")
        names = [name for name, _ in parse_qsl(text, keep_blank_values=True)]
        if any(map(means_a_secret, names)) or re.search(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", text):
            raise Problem(KEY_IN_ADDRESS)

    async def principal(self, headers: Headers) -> Principal:
        """Who asks, counted against the rates. Raises `Problem`."""
        who = await self._known(headers)
        self._rates.take(who.id)
        return who

    async def _known(self, headers: Headers) -> Principal:
        if self._keys is None:
            return LOCAL
        said = _all(headers, b"authorization")
        found = _BEARER.fullmatch(said[0]) if len(said) == 1 else None
        if not found:
            raise Problem(UNAUTHENTICATED)
        if found[1].startswith(PREFIX) or self._tokens is None:
            return self._keys.principal(found[1], self._now())
        return await self._tokens.principal(found[1])


def check_may_search(who: Principal, *, chooses_mode: bool = False) -> None:
    """Raises `Problem` when somebody may not ask, may read nothing, or may not choose the way to retrieve."""
    if SEARCH not in who.may:
        raise Problem(FORBIDDEN, "asking needs the permission search")
    if not who.reads:
        raise Problem(FORBIDDEN, NOTHING_TO_READ)
    if chooses_mode and MODE not in who.may:
        raise Problem(FORBIDDEN, "choosing `mode` needs the permission mode; leave it out")


def channel_for(who: Principal, asked: str | None, served: tuple[str, ...]) -> str:
    """The channel that answers. The first is anybody's; another, there or not, is told only to those who may ask it."""
    if asked is None or asked == served[0]:
        return served[0]
    if f"channel:{asked}" not in who.may:
        raise Problem(FORBIDDEN, "asking this `channel` needs a permission of its name; leave it out")
    if asked not in served:
        raise Problem(NOT_FOUND, "this replica does not serve that channel")
    return asked


def _all(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _without_port(host: str) -> str:
    return re.sub(r":\d{1,5}\Z", "", host.strip().lower())
