"""What a request can come to instead of an answer, as RFC 9457 wants it told. docs/problems.md has a section for each.

A detail says what is wrong with the request or with the replica. It holds no path, no text of a query or a document, no key.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: `slug` ends its address, `advice` is what a caller can do."""

    slug: str
    status: int
    title: str
    advice: str

    @property
    def type(self) -> str:
        """Its address, below that of the replica, which shows the same text there."""
        return f"/problems/{self.slug}"


INVALID = Kind("invalid", 400, "The request is not valid", "Correct the fields that `errors` points at.")
UNAUTHENTICATED = Kind(
    "unauthenticated",
    401,
    "This key belongs to nobody",
    "Send `Authorization: Bearer KEY` once, with a key that `rag key new` made and that is neither expired nor revoked, or "
    "with a token of the identity provider that the replica trusts.",
)
KEY_IN_ADDRESS = Kind(
    "key-in-address",
    401,
    "The address held a key",
    "Addresses are logged on their way: revoke that key (`rag key revoke`), make another, and send it in the header "
    "`Authorization` only.",
)
FORBIDDEN = Kind(
    "forbidden", 403, "This needs a permission", "Ask whoever made the key for the permission that `detail` names."
)
NOT_FOUND = Kind(
    "not-found",
    404,
    "There is nothing here",
    "Ask for a chunk that an answer of the same channel named, or correct the path.",
)
METHOD = Kind("method-not-allowed", 405, "This needs another method", "Use the method that the header `Allow` names.")
SLOW = Kind("slow-request", 408, "The request took too long to arrive", "Send headers and body at once.")
TOO_LARGE = Kind(
    "too-large", 413, "The request is too large", "Send a shorter question; `detail` says how many bytes are read."
)
NOT_JSON = Kind(
    "not-json",
    415,
    "The request is not JSON",
    "Send `Content-Type: application/json`, in UTF-8, without `Content-Encoding`.",
)
FOREIGN_HOST = Kind(
    "foreign-host",
    421,
    "This replica has other names",
    "Ask it by a name that RAG_SERVE_HOSTS lists; a browser of another site may not ask at all.",
)
TOO_MANY = Kind("too-many-requests", 429, "Too many requests", "Wait for as many seconds as `Retry-After` says.")
INTERNAL = Kind(
    "internal",
    500,
    "The replica made a mistake",
    "Give whoever runs the replica the `query_id`; its log says what happened.",
)
NO_RELEASE = Kind(
    "no-release",
    503,
    "No release serves",
    "Wait: the replica looks for a release it can open each second. Whoever runs it sees why in its log.",
)
OVERLOADED = Kind(
    "overloaded", 503, "The replica is busy", "Wait for as many seconds as `Retry-After` says, or ask another replica."
)
CLOSED = Kind(
    "closed",
    503,
    "The replica cannot tell who asks",
    "Nobody is let in while its keys, or the identity provider's, cannot be read; whoever runs it sees why in its log.",
)
DEADLINE = Kind(
    "deadline",
    504,
    "The answer was not ready in time",
    "Ask again with a larger `timeout_ms`, or later; nothing was changed.",
)

KINDS = (
    INVALID,
    UNAUTHENTICATED,
    KEY_IN_ADDRESS,
    FORBIDDEN,
    NOT_FOUND,
    METHOD,
    SLOW,
    TOO_LARGE,
    NOT_JSON,
    FOREIGN_HOST,
    TOO_MANY,
    INTERNAL,
    NO_RELEASE,
    OVERLOADED,
    CLOSED,
    DEADLINE,
)
BY_STATUS = {kind.status: kind for kind in (NOT_FOUND, METHOD, INVALID, INTERNAL)}
"""What a framework's own errors are told as."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request. `pointer`: RFC 6901, into its body; empty where it is about the whole."""

    pointer: str
    detail: str


class Problem(Exception):
    """A request that ends without an answer."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind, self.detail, self.faults = kind, detail or kind.advice, tuple(faults)
        self.retry_after_s, self._headers = retry_after_s, dict(headers or {})

    def headers(self) -> dict[str, str]:
        """What goes with the status: seconds to wait, rounded up, and how to say who one is."""
        found = {"cache-control": "no-store", **self._headers}
        if self.retry_after_s is not None:
            found["retry-after"] = str(max(1, math.ceil(self.retry_after_s)))
        if self.kind.status == 401:
            found["www-authenticate"] = "Bearer"
        return found

    def told(self, query_id: str) -> dict[str, Any]:
        """The object that a caller reads."""
        found: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "query_id": query_id,
        }
        if self.faults:
            found["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in self.faults]
        return found

    def body(self, query_id: str) -> bytes:
        return json.dumps(self.told(query_id), ensure_ascii=False).encode()
