"""Seals: a hash of what was written down, so that a change of it is found.

Without a key, anybody who may write to RAG_HOME can seal anew what they changed. With RAG_SEAL_KEY, only somebody who has
the key can. This module owns the rule: code that seals something asks here.
"""

import hmac
import json
from hashlib import sha256

from rag_pipeline.files import fingerprint

_LENGTH = 32


def seal_of(content: object, key: str = "") -> str:
    """Hex seal of plain values: their SHA-256, or with a key their HMAC-SHA-256 (RFC 2104)."""
    if not key:
        return fingerprint(content, length=_LENGTH)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hmac.new(key.encode(), canonical.encode("utf-8", "surrogatepass"), sha256).hexdigest()[:_LENGTH]


def key_name(key: str) -> str:
    """What tells one key from another without telling it; empty without a key."""
    return hmac.new(key.encode(), b"name of a seal key", sha256).hexdigest()[:8] if key else ""


def seal_problem(what: str, content: object, seal: str, sealed_with: str, key: str) -> str:
    """Why a seal does not hold, in words; empty when it does. `sealed_with`: name of the key it was made with."""
    if sealed_with != key_name(key):
        if not key:
            return f"{what} was sealed with RAG_SEAL_KEY, which is not set here; set it, or evaluate again"
        how = "with another RAG_SEAL_KEY than the one set here" if sealed_with else "without RAG_SEAL_KEY, which is set here"
        return f"{what} was sealed {how}; evaluate again"
    if hmac.compare_digest(seal.encode("utf-8", "replace"), seal_of(content, key).encode()):
        return ""
    return f"{what} was changed after it was written: its seal does not match"
