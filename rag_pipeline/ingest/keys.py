"""One text for a row's key, also when several columns make it."""

from collections.abc import Sequence


def join_key(values: Sequence[str]) -> str:
    """The values of the key columns as one text; two rows have the same only if all their values are the same.

    A single value is itself. Several are joined with `/`, and a `/` (or `%`) inside one of them is written `%2F` (`%25`).
    """
    if len(values) == 1:
        return values[0]
    return "/".join(value.replace("%", "%25").replace("/", "%2F") for value in values)
