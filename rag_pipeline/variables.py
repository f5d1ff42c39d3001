"""The names of environment variables that mean something here. Another name that begins like ours is a typing error.

`RAG_PROMOTON=manual` would silently leave promotion automatic.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

PREFIX = "RAG_"

SECRETS = ("RAG_PII_SALT", "RAG_LOCKS", "RAG_ALERTS", "RAG_SEAL_KEY", "RAG_OPENLINEAGE_URL", "RAG_OPENLINEAGE_API_KEY")
"""Variables that are no settings, because what they hold may be in no log: others go here."""

_CREDENTIALS = ("URL", "USER", "PASSWORD")
"""A source whose feed is a database has these: RAG_<SOURCE>_URL, and so on."""

_OF_A_SOURCE = re.compile(rf"{PREFIX}[A-Z][A-Z0-9_]{{2,62}}_({'|'.join(_CREDENTIALS)})")


def credentials(source: str) -> dict[str, str]:
    """The names of the variables that hold a source's credentials: of `url`, `user` and `password`."""
    name = f"{PREFIX}{re.sub(r'[^0-9A-Za-z]', '_', source).upper()}"
    return {kind.lower(): f"{name}_{kind}" for kind in _CREDENTIALS}


def unknown_variable(environment: Mapping[str, str], fields: Iterable[str], contracts: Path) -> str | None:
    """What is wrong with the first variable of ours that means nothing, with a suggestion; None when there is none.

    `fields`: of the settings. `contracts`: the folder whose files name the sources, of which each may have credentials.
    Credentials of a source that has no contract yet (`rag contract new` drafts one) are let through, unless they look like
    a typing error.
    """
    known = {f"{PREFIX}{field.upper()}" for field in fields} | set(SECRETS)
    with suppress(OSError):  # a folder that cannot be read is told of by whoever wants to read it
        for file in contracts.iterdir():
            if file.name.endswith(".odcs.yaml"):
                known |= set(credentials(file.name.removesuffix(".odcs.yaml")).values())
    for variable in sorted(environment):
        name = variable.upper()
        if not name.startswith(PREFIX) or name in known:
            continue
        may_be_a_source = _OF_A_SOURCE.fullmatch(name)
        close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.8 if may_be_a_source else 0.6)
        if close or not may_be_a_source:
            hint = f"did you mean {close[0]}?" if close else "docs/commands.md lists them."
            return f"{variable} is set, but there is no such setting; {hint} Correct it, or unset it"
    return None
