"""Words that mean a secret in an address: contracts and drafts refuse them, and no message or log shows what follows them.

One list for all of them: who adds a connector adds the words its addresses use here.
"""

import itertools
import re
from urllib.parse import unquote, urlsplit

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


def means_a_secret(name: str) -> bool:
    """Whether the parameter of an address that has this name holds a secret, or says whose it is."""
    words = [word.lower() for word in _WORD.findall(unquote(name))]
    if "".join(words) in _WHOLE or _PARTS & set(words):
        return True
    return any(second == "key" and first in _KEYS for first, second in itertools.pairwise(words))


def secret_in(url: str) -> str | None:
    """What of an address is a secret: the name of a parameter, or "user name" of a login; None for nothing.

    Parameters are looked for in the query, the fragment and behind a `;`, as they are written and percent-encoded.
    """
    try:
        parts = urlsplit(url)
        if parts.username or parts.password:
            return "user name"
    except ValueError:
        pass
    if _LOGIN.search(url):
        return "user name"
    return next((unquote(pair["name"]) for pair in _PAIR.finditer(url) if means_a_secret(pair["name"])), None)


def without_secrets(text: str) -> str:
    """A message without the secrets of the addresses in it: `https://…@host/a?token=…`."""
    if "//" in text:
        text = _LOGIN.sub("…@", text)
    if not _FRAGMENT.search(text):
        return text
    return _PAIR.sub(lambda pair: f"{pair[1]}{pair[2]}{pair[3]}…" if means_a_secret(pair["name"]) else pair[0], text)
