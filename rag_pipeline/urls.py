"""Addresses: their schemes, and the words in them that mean a secret, in one list for every kind of source.

Contracts and drafts refuse an address that holds a secret, and messages and logs leave out what follows such a word. A
connector that comes in a package of its own adds the words of its addresses (`Kind.secret_words`).
"""

import itertools
import re
from collections.abc import Iterable
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

BucketScheme = Literal["s3", "gs", "az"]
BUCKETS: tuple[BucketScheme, ...] = get_args(BucketScheme)
"""Schemes of object stores."""

WEB = ("http", "https")
"""Schemes of websites."""


def scheme_of(place: str) -> str:
    """What stands before `://`, in small letters; "" for a path."""
    return place.partition("://")[0].lower() if "://" in place else ""


_IN_LINEAGE = {"postgresql": "postgres"}
"""Where OpenLineage has another word for a scheme than SQLAlchemy."""


def dataset_at(place: str, kind: str) -> tuple[str, str]:
    """Namespace and name of what lies at an address or path, as OpenLineage has them; `kind`: of a place that is neither.

    Never with credentials, nor with what stands behind a question mark. https://openlineage.io/docs/spec/naming
    """
    if not (scheme := scheme_of(place).partition("+")[0]):
        return ("file" if place.startswith("/") else kind, place)
    parts = urlsplit(place)
    scheme, host = _IN_LINEAGE.get(scheme, scheme), parts.netloc.rpartition("@")[2]
    return (f"{scheme}://{host}" if host else scheme, unquote(parts.path).strip("/") or "/")


_WHOLE = {
    "user",
    "username",
    "userid",
    "uid",
    "login",
    "password",
    "passwd",
    "passphrase",
    "passfile",
    "pwd",
    "pass",
    "secret",
    "token",
    "accesstoken",
    "code",
    "key",
    "apikey",
    "accesskey",
    "accountkey",
    "subscriptionkey",
    "sharedkey",
    "privatekey",
    "secretkey",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "sig",
    "signature",
    "sharedaccesssignature",
    "jwt",
    "sas",
    "session",
    "sessionid",
    "jsessionid",
    "phpsessid",
    "otp",
    "bearer",
    "odbcconnect",
    "connectionstring",
    "googleaccessid",
}
"""Names that are one, written without case and separators."""

_PARTS = {
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "signature",
    "auth",
    "jwt",
    "sslpassword",
}
"""Words that make one of any name they stand in: `access_token`, `X-Amz-Signature`, `clientSecret`."""

_KEYS = {
    "api",
    "access",
    "account",
    "subscription",
    "shared",
    "private",
    "secret",
    "client",
    "app",
    "auth",
    "master",
    "function",
    "functions",
}
"""Words whose `key` is a secret: `x-api-key`, `AWSAccessKeyId`. Another one's (`sort_key`) is none."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PAIR = re.compile(r"(?P<before>[?&;#])(?P<name>[\w.%~\[\]-]{1,100})(?P<is>=|%3[Dd])(?P<value>[^\s&;#'\"<>`]+)")
_LOGIN = re.compile(r"(?<=//)[^/?#\s'\"]{1,500}@(?=[\w\[%])")
_FRAGMENT = re.compile(r"[?&;#]")


_ADDED: set[str] = set()
"""Names that connectors from other packages added, written as in `_WHOLE`: hidden in every message of this process."""


def hide_also(names: Iterable[str]) -> None:
    """Have messages hide what follows these names too."""
    _ADDED.update(map(_plain, names))


def means_a_secret(name: str, also: Iterable[str] = ()) -> bool:
    """Whether the parameter of an address that has this name holds a secret, or says whose it is.

    `also`: further names that do, as one kind of source has them.
    """
    words = [word.lower() for word in _WORD.findall(unquote(name))]
    whole = "".join(words)
    if whole in _WHOLE or whole in map(_plain, also) or _PARTS & set(words):
        return True
    return any(second == "key" and first in _KEYS for first, second in itertools.pairwise(words))


def _plain(name: str) -> str:
    """A name without case and separators."""
    return "".join(_WORD.findall(name)).lower()


def secret_in(url: str, also: Iterable[str] = ()) -> str | None:
    """What of an address is a secret: the name of a parameter, or "user name" of a login; None for nothing.

    Parameters are looked for in the query, the fragment and behind a `;`, as they are written and percent-encoded.
    """
    also = tuple(also)
    try:
        parts = urlsplit(url)
        if parts.username or parts.password:
            return "user name"
    except ValueError:
        pass
    if _LOGIN.search(url):
        return "user name"
    return next((unquote(pair["name"]) for pair in _PAIR.finditer(url) if means_a_secret(pair["name"], also)), None)


def without_secrets(text: str) -> str:
    """A message without the secrets of the addresses in it: `https://…@host/a?token=…`."""
    if "//" in text:
        text = _LOGIN.sub("…@", text)
    if not _FRAGMENT.search(text):
        return text
    return _PAIR.sub(lambda pair: f"{pair[1]}{pair[2]}{pair[3]}…" if means_a_secret(pair["name"], _ADDED) else pair[0], text)
