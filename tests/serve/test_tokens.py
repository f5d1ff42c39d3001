"""Tokens of an identity provider: what it signed for us gets in, and nothing else, whatever a token says of itself."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from rag_pipeline.door import tokens
from rag_pipeline.door.principal import Principal
from rag_pipeline.door.problems import CLOSED, UNAUTHENTICATED, Problem
from rag_pipeline.door.tokens import Provider, Tokens, provider_of
from rag_pipeline.settings import Settings
from tests.support.identity_provider import AUDIENCE, ISSUER, IdentityProvider, identity_provider, token


@pytest.fixture(scope="module")
def stranger() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[IdentityProvider, Any]]:
    with identity_provider() as found:
        yield found, found.new_key("one")


def asked(provider: IdentityProvider) -> Tokens:
    return Tokens(Provider(ISSUER, AUDIENCE, provider.url, ("RS256", "ES256"), "scope"))


def who(provider: IdentityProvider, text: str) -> Principal:
    return asyncio.run(asked(provider).principal(text))


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_of_the_provider_says_who_asks_and_names_no_person(shared: tuple[IdentityProvider, Any]) -> None:
    provider, private = shared
    found = who(provider, token(private, "one", scope="search mode channel:staging read:all openid profile *"))
    assert found.may == {"search", "mode", "channel:staging"}
    assert found.reads == {"all"}
    assert "ana" not in found.id
    assert found.id == who(provider, token(private, "one")).id != who(provider, token(private, "one", sub="ben")).id


def test_an_elliptic_key_and_a_list_of_permissions_do_too(shared: tuple[IdentityProvider, Any]) -> None:
    provider, _ = shared
    private = provider.new_key("curve", elliptic=True)
    assert who(provider, token(private, "curve", algorithm="ES256", scope=["search", 7, "read:all"])).may == {"search"}


@pytest.mark.parametrize("claim", [None, "", [], {"search": True}, 7, "openid", "SEARCH", "read"])
def test_a_token_without_permissions_grants_none(shared: tuple[IdentityProvider, Any], claim: Any) -> None:
    provider, private = shared
    found = who(provider, token(private, "one", scope=claim))
    assert (found.may, found.reads) == (frozenset(), frozenset())


BAD: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "https://other.example"},
    "another audience in a list": {"aud": ["https://other.example"]},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://evil.example"},
    "an issuer with a slash more": {"iss": ISSUER + "/"},
    "no issuer": {"iss": None},
    "expired": {"exp": int(time.time()) - 60},
    "no end": {"exp": None},
    "not yet": {"nbf": int(time.time()) + 86_400},
    "nobody": {"sub": None},
}


@pytest.mark.parametrize("name", BAD)
def test_a_token_that_is_not_for_us_is_refused(shared: tuple[IdentityProvider, Any], name: str) -> None:
    provider, private = shared
    with pytest.raises(Problem) as caught:
        who(provider, token(private, "one", **BAD[name]))
    assert caught.value.kind is UNAUTHENTICATED


def forged(kind: str, provider: IdentityProvider, private: Any, stranger: Any) -> str:
    good = token(private, "one")
    _, claims, signature = good.split(".")
    if kind == "alg none":
        return f"{part({'alg': 'none', 'kid': 'one'})}.{claims}."
    if kind == "the public key as a shared secret":
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        secret = private.public_key().public_bytes(serialization.Encoding.PEM, form)
        head = part({"alg": "HS256", "kid": "one"})
        made = hmac.new(secret, f"{head}.{claims}".encode(), hashlib.sha256).digest()
        return f"{head}.{claims}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"scope": "search mode read:all"}
    return {
        "a stranger's signature": token(stranger, "one"),
        "a stranger's name": token(stranger, "unknown"),
        "other claims under the same signature": f"{good.split('.')[0]}.{part(changed)}.{signature}",
        "no signature": f"{good.split('.')[0]}.{claims}.",
        "an algorithm that is not allowed": token(private, "one", algorithm="RS512"),
        "a key of its own in the header": f"{part({'alg': 'RS256', 'jwk': provider.keys['one']})}.{claims}.{signature}",
        "an address for the key": f"{part({'alg': 'RS256', 'kid': 'x', 'jku': 'http://evil.example'})}.{claims}.{signature}",
        "a name that is no text": f"{part({'alg': 'RS256', 'kid': ['one']})}.{claims}.{signature}",
        "two dots": "..",
        "nonsense": "abc",
        "too long": good + "A" * 9000,
    }[kind]


FORGED = (
    "alg none",
    "the public key as a shared secret",
    "a stranger's signature",
    "a stranger's name",
    "other claims under the same signature",
    "no signature",
    "an algorithm that is not allowed",
    "a key of its own in the header",
    "an address for the key",
    "a name that is no text",
    "two dots",
    "nonsense",
    "too long",
)


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_token_is_refused(shared: tuple[IdentityProvider, Any], stranger: Any, kind: str) -> None:
    provider, private = shared
    with pytest.raises(Problem) as caught:
        who(provider, forged(kind, provider, private, stranger))
    assert caught.value.kind is UNAUTHENTICATED


def test_made_up_key_names_do_not_make_the_replica_ask_the_provider_again_and_again(stranger: Any) -> None:
    async def many(known: Tokens) -> None:
        for number in range(50):
            with pytest.raises(Problem):
                await known.principal(token(stranger, f"made-up-{number}"))

    with identity_provider() as provider:
        provider.new_key("one")
        asyncio.run(many(asked(provider)))
        assert provider.asked == 1


def test_a_new_key_of_the_provider_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_NOT_AGAIN_S", 0.0)

    async def both(known: Tokens, provider: IdentityProvider) -> None:
        first = provider.new_key("one")
        assert (await known.principal(token(first, "one"))).may
        second = provider.new_key("two")
        assert (await known.principal(token(second, "two"))).may

    with identity_provider() as provider:
        asyncio.run(both(asked(provider), provider))


def test_a_provider_that_is_away_lets_nobody_in_and_one_that_goes_away_later_does_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "_NOT_AGAIN_S", 0.0)

    async def before_and_after(known: Tokens, provider: IdentityProvider) -> None:
        private = provider.new_key("one")
        provider.away = True
        with pytest.raises(Problem) as caught:
            await known.principal(token(private, "one"))
        assert caught.value.kind is CLOSED
        provider.away = False
        assert (await known.principal(token(private, "one"))).may
        provider.away = True
        assert (await known.principal(token(private, "one"))).may

    with identity_provider() as provider:
        asyncio.run(before_and_after(asked(provider), provider))


WHOLE = {"serve_issuer": ISSUER, "serve_audience": AUDIENCE, "serve_jwks": "https://login.example/jwks"}


def test_a_provider_is_named_wholly_or_not_at_all() -> None:
    assert provider_of(Settings()) is None
    found = provider_of(Settings.model_validate(WHOLE))
    assert found is not None
    assert found.algorithms == ("RS256", "ES256")
    for name in WHOLE:
        with pytest.raises(ValidationError, match=f"RAG_{name.upper()} must be set too"):
            Settings.model_validate(WHOLE | {name: ""})


@pytest.mark.parametrize(
    "changes",
    [
        {"serve_jwks": "http://login.example/jwks"},
        {"serve_jwks": "http://localhost.evil.example/jwks"},
        {"serve_jwks": "file:///etc/passwd"},
        {"serve_algorithms": "HS256"},
        {"serve_algorithms": "RS256,none"},
        {"serve_algorithms": ""},
        {"serve_rate": "many"},
        {"serve_rate_total": "0/second"},
    ],
)
def test_settings_that_would_let_others_in_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(WHOLE | changes)
