"""Tokens of an identity provider (JWT): signature, issuer, audience and time are all checked, or nobody is let in.

The provider's public keys are fetched from the one address the settings name, in the background and seldom: a request with a
made-up key id does not make the replica ask again and again.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from rag_pipeline.door.principal import Principal, granted
from rag_pipeline.door.problems import CLOSED, UNAUTHENTICATED, Problem
from rag_pipeline.files import fingerprint
from rag_pipeline.settings import Settings

log = logging.getLogger("rag_pipeline")

_FETCH_S, _LARGEST = 5.0, 1_000_000
_FRESH_S = 300.0
"""Keys older than this are fetched anew, behind the requests' backs."""
_STALE_S = 86_400.0
"""Keys older than this let nobody in: the provider may have taken them back long ago."""
_NOT_AGAIN_S = 10.0
"""How long an unknown key id, or a fetch that failed, is not a reason to fetch again."""
_LEEWAY_S = 10
_LONGEST = 8_192


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider as the settings name it."""

    issuer: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...]
    claim: str


def provider_of(settings: Settings) -> Provider | None:
    """None where the settings name none: then keys alone are taken."""
    if not settings.serve_issuer:
        return None
    return Provider(
        settings.serve_issuer,
        settings.serve_audience,
        settings.serve_jwks,
        tuple(settings.serve_algorithms.split(",")),
        settings.serve_claim,
    )


class Tokens:
    """What one replica knows of its provider's keys. For one event loop."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched, self._tried = -_STALE_S, -_STALE_S
        self._fetching: asyncio.Task[None] | None = None

    async def principal(self, token: str) -> Principal:
        """Who a token is of. Raises `Problem`: all tokens that are not good are told alike."""
        provider = self._provider
        try:
            key = await self._key_of(token)
            said: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(provider.algorithms),
                audience=provider.audience,
                issuer=provider.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise Problem(UNAUTHENTICATED) from error
        may, reads = granted(_words(said.get(provider.claim)))
        return Principal(f"t_{fingerprint(provider.issuer, said['sub'], length=12)}", may, reads)

    async def _key_of(self, token: str) -> jwt.PyJWK:
        if len(token) > _LONGEST:
            raise Problem(UNAUTHENTICATED)
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in self._provider.algorithms:
            raise Problem(UNAUTHENTICATED)
        name, now = header.get("kid"), time.monotonic()
        if now - self._fetched > _FRESH_S or name not in self._keys:
            self._fetch_unless_just_tried(now)
        if self._fetching and (name not in self._keys or now - self._fetched > _STALE_S):
            await asyncio.shield(self._fetching)
        if time.monotonic() - self._fetched > _STALE_S:
            raise Problem(CLOSED, retry_after_s=_NOT_AGAIN_S)
        if name not in self._keys:
            raise Problem(UNAUTHENTICATED)
        return self._keys[name]

    def _fetch_unless_just_tried(self, now: float) -> None:
        if self._fetching is None and now - self._tried > _NOT_AGAIN_S:
            self._tried = now
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(lambda _: setattr(self, "_fetching", None))

    async def _fetch(self) -> None:
        try:
            async with (
                asyncio.timeout(_FETCH_S),
                httpx.AsyncClient(timeout=_FETCH_S, follow_redirects=False) as client,
                client.stream("GET", self._provider.jwks) as answer,
            ):
                answer.raise_for_status()
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST:
                        raise ValueError("it is larger than a set of keys")
            found = jwt.PyJWKSet.from_json(body.decode())
        except (httpx.HTTPError, TimeoutError, ValueError, jwt.PyJWTError) as error:
            log.warning("RAG_SERVE_JWKS: the keys of the identity provider were not read (%s)", type(error).__name__)
            return
        self._keys = {key.key_id: key for key in found.keys if key.key_id}
        self._fetched = time.monotonic()


def _words(claim: object) -> list[str]:
    """The words of a claim: separated by blanks (OAuth's `scope`), or a list."""
    if isinstance(claim, str):
        return claim.split()
    return [word for word in claim if isinstance(word, str)] if isinstance(claim, list) else []
