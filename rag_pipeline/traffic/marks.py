"""Marks in place of names: who asked, which questions are the same, and whose an answer was. None can be turned back.

All are HMACs with one secret: RAG_PII_SALT, or else a key that is made once, in RAG_HOME, for no other account to read.
"""

import hmac
import json
import re
import secrets
import struct
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from rag_pipeline.errors import Overtaken, PipelineError
from rag_pipeline.files import private_folder, write_text
from rag_pipeline.home import Home
from rag_pipeline.mirrored import seen
from rag_pipeline.traffic.rows import MARKED, Kind

KEY = "marks.key"
"""The file of the key in the folder of the log, where there is no salt."""

_TAG = 12
"""Hex characters that bind a question's id to its principal: 48 bits, which nobody can try at a replica's rates."""
_ID = re.compile(rf"q_[0-9a-f]{{28}}[0-9a-f]{{{_TAG}}}")


class Marks:
    """The marks of one installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def client(self, principal: str) -> str:
        """A principal, told apart from others and not named."""
        return self._mark("client", principal)[:16]

    def same(self, text: str) -> str:
        """The same for questions that differ in case, blanks or composition alone."""
        return self._mark("query", " ".join(unicodedata.normalize("NFKC", text).casefold().split()))[:32]

    def bound(self, query_id: str, principal: str) -> str:
        """A question's id that says whose it is to whoever has the secret, and nobody else."""
        return query_id + self._mark("asked", f"{principal} {query_id}")[:_TAG]

    def asked_by(self, query_id: str, principal: str) -> bool:
        """Whether a question of this id was answered to this principal, by whatever replica of the home."""
        return bool(_ID.fullmatch(query_id)) and hmac.compare_digest(query_id, self.bound(query_id[:-_TAG], principal))

    def verdict(self, query_id: str, chunk_id: str, principal: str) -> str:
        """One verdict: of a principal on a chunk of an answer."""
        return self._mark("verdict", f"{query_id} {chunk_id} {principal}")[:32]

    def row(self, kind: Kind, row: Mapping[str, Any]) -> str:
        """The mark of everything that evidence reads of a row: one that was edited or made up has another."""
        return self._mark(f"row of {kind}", json.dumps([_plain(row[name]) for name in MARKED[kind]]))[:32]

    def marked(self, kind: Kind, row: dict[str, Any]) -> dict[str, Any]:
        """A row with its mark, where rows of its kind have one."""
        return row | {"mark": self.row(kind, row)} if kind in MARKED else row

    def marking(self, kind: Kind, make: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        """What makes rows, so that they are marked."""
        return lambda what: self.marked(kind, make(what))

    def _mark(self, what: str, text: str) -> str:
        return hmac.new(self._secret, f"{what}\0{text}".encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def _plain(value: Any) -> Any:
    """The same whether it comes from a replica or out of the table, where times are of microseconds, numbers of 32 bits."""
    if isinstance(value, datetime):
        return (value - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    return struct.pack("<f", value).hex() if isinstance(value, float) else value


def asked_at(query_id: str) -> datetime:
    """When a question of this id was asked, which stands in it in milliseconds."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(query_id[2:14], 16))


def marks_of(home: Home, salt: str) -> Marks:
    """The marks of this home. Raises `PipelineError` when its key can be neither read nor made."""
    if salt:
        return Marks(hmac.new(salt.encode("utf-8", "surrogatepass"), b"marks of traffic", "sha256").digest())
    path = private_folder(home.traffic) / KEY
    seen(path)
    try:
        if not path.exists():
            with home.exclusive("keys", wait_s=30):
                if not path.exists():
                    with suppress(Overtaken):  # another machine made it meanwhile, and its key is here now
                        write_text(path, secrets.token_hex(32) + "\n", mode=0o600)
        return Marks(bytes.fromhex(path.read_text(encoding="utf-8").strip()))
    except (OSError, ValueError) as error:
        raise PipelineError(
            f"{path} is no key that can be read ({type(error).__name__}); let this account read it, or remove it: a new one "
            "is made, and verdicts on answers of before are refused. With RAG_PII_SALT set it is not needed"
        ) from error
