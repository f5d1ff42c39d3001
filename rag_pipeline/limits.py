"""How whatever reads a feed behaves towards what it reads from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How a connector behaves towards what it reads from; all of it can be set in the contract."""

    timeout_s: float = 30.0
    """How long one request or query may take to begin to answer."""
    retries: int = 3
    """Further tries of a request that failed for a passing reason, each after twice the wait of the one before."""
    per_second: float = 5.0
    """Requests a second at most (`web`)."""
    max_mb: float = 50.0
    """The largest file, object or page that is read; a larger one is quarantined."""
