"""Keys: who may ask. A key is shown once, when it is made; what is stored is its hash, in a file of this account alone.

A key holds 256 random bits, so its hash needs no salt and no slow function: those slow down guessing of passwords.
"""

import hashlib
import hmac
import re
import secrets
import threading
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, ValidationError

from rag_pipeline import mirrored
from rag_pipeline.door.principal import Principal, grants_nothing, readable_words, unknown_permission
from rag_pipeline.door.problems import CLOSED, UNAUTHENTICATED, Problem
from rag_pipeline.errors import PipelineError, did_you_mean, first_problem
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.records import Record

PREFIX = "rag_"
"""Scanners of repositories know a leaked key by it."""

_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_NAME = re.compile(r"[\w .@/:-]{1,80}")
DAYS = 90
"""How long a key holds, where nothing else is said."""


class Key(Record):
    """One key as it is stored."""

    id: str
    name: str
    """What people call it: the application or agent that has it."""
    sha256: str
    may: tuple[str, ...]
    reads: tuple[str, ...]
    created_at: AwareDatetime
    expires_at: AwareDatetime
    revoked_at: AwareDatetime | None = None

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        if self.revoked_at:
            return "revoked"
        return "valid" if now < self.expires_at else "expired"

    @property
    def principal(self) -> Principal:
        return Principal(self.id, frozenset(self.may), readable_words(self.reads))


class _File(Record):
    format: Literal[1] = 1
    keys: tuple[Key, ...] = ()


class KeyToMake(Record):
    """What a new key shall be."""

    name: str
    may: tuple[str, ...]
    reads: tuple[str, ...]
    days: int = DAYS

    def problem(self) -> str:
        """What is wrong with it, and what to write instead; empty when nothing is."""
        if not _NAME.fullmatch(self.name):
            return "--name: 1 to 80 letters, digits, blanks and . @ / : - _; say which application has the key: 'intranet'"
        wrong = [unknown_permission(word) for word in self.may] + [grants_nothing(word) for word in self.reads]
        return next((f"--may or --reads: {says}" for says in wrong if says), "")


def make_key(home: Home, wanted: KeyToMake, now: datetime) -> tuple[Key, str]:
    """Store a new key; what is stored, and the key itself, which nobody can be told again.

    Raises `PipelineError` for permissions that are none, and when the file of keys is damaged.
    """
    if says := wanted.problem():
        raise PipelineError(says)
    text = PREFIX + secrets.token_urlsafe(32)
    with home.exclusive("keys", wait_s=30):
        known = read_keys(home)
        made = Key(
            id=_new_id({key.id for key in known}),
            name=wanted.name,
            sha256=_digest(text),
            may=tuple(sorted(set(wanted.may))),
            reads=tuple(sorted(readable_words(wanted.reads))),
            created_at=now,
            expires_at=now + timedelta(days=wanted.days),
        )
        _store(home, [*known, made])
    return made, text


def revoke_key(home: Home, key_id: str, now: datetime) -> Key:
    """Take a key back; replicas refuse it from their next request on. A key that is revoked stays so, since when it was.

    Raises `PipelineError` when there is none of this id, and when the file of keys is damaged.
    """
    with home.exclusive("keys", wait_s=30):
        known = {key.id: key for key in read_keys(home)}
        if key_id not in known:
            raise PipelineError(f"no key {key_id!r} in {home.keys}; {did_you_mean(key_id, known)}")
        if known[key_id].revoked_at is None:
            known[key_id] = known[key_id].model_copy(update={"revoked_at": now})
            _store(home, list(known.values()))
    return known[key_id]


def read_keys(home: Home) -> list[Key]:
    """Every key that was made, oldest first. Raises `PipelineError` when the file is damaged or cannot be read."""
    try:
        return list(_File.model_validate_json(home.keys.read_bytes()).keys)
    except FileNotFoundError:
        return []
    except ValidationError as error:
        raise PipelineError(
            f"{home.keys} is damaged ({first_problem(error)}); put it back from a backup, or remove it and make new keys "
            "with `rag key new`. Nobody is let in until then"
        ) from error
    except OSError as error:
        raise PipelineError(f"{home.keys} cannot be read ({error.strerror}); let this account read it") from error


class KeyRing:
    """The keys as they are now: the file is read again when the system says that it changed. Any thread may ask."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._seen: object = None
        self._known: dict[str, Key] = {}
        self._reading = threading.Lock()

    def principal(self, text: str, now: datetime) -> Principal:
        """Who has this key. Raises `Problem`: unknown, expired and revoked are told alike."""
        digest = _digest(text) if _KEY.fullmatch(text) else ""
        key = self._now().get(digest)
        if key is None or not hmac.compare_digest(key.sha256, digest) or key.state(now) != "valid":
            raise Problem(UNAUTHENTICATED)
        return key.principal

    def _now(self) -> dict[str, Key]:
        mirrored.seen(self._home.keys)
        try:
            said = self._home.keys.stat()
            seen: object = (said.st_mtime_ns, said.st_ctime_ns, said.st_ino, said.st_size)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Problem(CLOSED) from error
        with self._reading:
            if seen != self._seen:
                try:
                    self._known = {key.sha256: key for key in read_keys(self._home)}
                except PipelineError as error:
                    self._seen, self._known = None, {}
                    raise Problem(CLOSED) from error
                self._seen = seen
            return self._known


def _store(home: Home, keys: list[Key]) -> None:
    write_json(home.keys, _File(keys=tuple(keys)).model_dump(mode="json"), mode=0o600)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _new_id(known: set[str]) -> str:
    while (made := f"k_{secrets.token_hex(4)}") in known:
        pass
    return made
