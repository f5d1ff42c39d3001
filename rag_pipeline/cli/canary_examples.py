"""Examples of `rag canary`, and what its JSON holds: part of `examples.HELP`, in a file of their own."""

_SAID = (
    "`on`, `split` (`channel`, `canary`, `percent`, `since`, `until`, `by`, `why`, `by_replica`, …; null where there "
    "never was one), `arms` (each with `queries`, `errors`, `p50 ms`, `p95 ms`), `unopened`"
)

CANARY: dict[str, tuple[tuple[str, ...], str]] = {
    "canary start": (
        (
            'rag canary start --percent 5 --by ana --reason "a new chunker"',
            'rag canary start --percent 20 --channel production --canary staging --by ana --reason "it held at 5"',
        ),
        _SAID,
    ),
    "canary stop": (('rag canary stop --by ana --reason "seen enough"',), _SAID),
    "canary show": (("rag canary show",), _SAID),
}
"""Command -> examples, and its JSON."""
