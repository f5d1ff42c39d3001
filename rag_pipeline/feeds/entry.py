"""A contract's `servers` entry while a kind of source reads it: its fields, and how to refuse one with its line."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from rag_pipeline.errors import ContractError, not_text
from rag_pipeline.files import absolute
from rag_pipeline.limits import Limits
from rag_pipeline.urls import secret_in, without_secrets

At = tuple[str | int, ...]
"""A place in the file: keys and positions from the top."""


class EntryPage(Protocol):
    """The contract file the entry stands in."""

    def fail(self, at: At, message: str) -> ContractError: ...

    def custom(self, at: At, holder: dict[str, Any], ours: Sequence[str]) -> dict[str, Any]: ...

    def custom_at(self, at: At, holder: dict[str, Any], name: str) -> At: ...

    def number(self, at: At, value: Any, *, least: float, most: float, what: str) -> float: ...

    def words(self, at: At, value: Any, known: Iterable[str] | None, what: str) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """`fields`: the standard's, by name; `custom`: custom properties, by name. `table`: the schema's `physicalName`.

    `straight`: a `..` counts from folders as they are named, because the contract's folder may not be there yet.
    """

    page: EntryPage
    at: At
    fields: dict[str, Any]
    custom: Mapping[str, Any]
    folder: Path
    table: str = ""
    straight: bool = False
    secret_words: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        return str(self.fields["type"])

    @property
    def connector(self) -> str:
        """The connector it names; "" for none."""
        return str(self.custom.get("connector") or "")

    def fail(self, message: str, field: str = "") -> ContractError:
        """The error for the entry or a field of it: file, line, field, and what is wrong there."""
        return self.page.fail((*self.at, field) if field else self.at, message)

    def fail_property(self, name: str, message: str) -> ContractError:
        """The same for a custom property."""
        return self.page.fail(self._at(name), message)

    def text(self, name: str) -> str:
        """A custom property that is text; "" when it is not given."""
        value = self.custom.get(name) or ""
        if not isinstance(value, str):
            raise self.fail_property(name, not_text(value))
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """A custom property that is a number."""
        return self.page.number(self._at(name), self.custom.get(name, default), least=least, most=most, what="a number")

    def words(self, name: str, what: str, *, or_one: bool = False) -> tuple[str, ...]:
        """A custom property that is a list of texts, or of several or one; none when it is not given.

        `what`: each of them, for people.
        """
        if name not in self.custom:
            return ()
        value = self.custom[name]
        return self.page.words(self._at(name), [value] if or_one and isinstance(value, str) else value, None, what)

    @property
    def limits(self) -> Limits:
        default = Limits()
        return Limits(
            timeout_s=self.number("timeoutSeconds", default.timeout_s, least=0.1, most=3_600),
            retries=int(self.number("retries", default.retries, least=0, most=20)),
            per_second=self.number("requestsPerSecond", default.per_second, least=0.01, most=1_000),
            max_mb=self.number("maxMegabytes", default.max_mb, least=0.001, most=10_000),
        )

    def location(self, schemes: Sequence[str] | None = None) -> str:
        """The entry's `location`: a URL without secrets, and with one of the schemes if any are given."""
        if not self.fields.get("location"):
            raise self.fail("the location is missing: the URL to read from")
        location = str(self.fields["location"])
        self._check_url((*self.at, "location"), location, schemes)
        return location

    def urls(self, name: str, what: str, schemes: Sequence[str]) -> tuple[str, ...]:
        """A custom property that is a list of URLs without secrets; none when it is not given."""
        urls = self.words(name, what)
        for url in urls:
            self._check_url(self._at(name), url, schemes)
        return urls

    def refuse_secrets(self, field: str, url: str) -> None:
        """Raises `ContractError` when an address holds a secret, without repeating it."""
        self._refuse_secrets((*self.at, field), url)

    def path(self, path: Path) -> Path:
        """An absolute path without `..`, of one that counts from the contract's folder."""
        found = self.folder / path
        return Path(os.path.abspath(found)) if self.straight else absolute(found)  # noqa: PTH100  (`absolute` keeps ..)

    def _at(self, name: str) -> At:
        return self.page.custom_at(self.at, self.fields, name)

    def _check_url(self, at: At, url: str, schemes: Sequence[str] | None) -> None:
        self._refuse_secrets(at, url)
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise self.page.fail(at, f"{without_secrets(url)!r} is not a URL") from error
        if schemes is not None and (parts.scheme not in schemes or not parts.netloc):
            begins = ", ".join(f"{scheme}://" for scheme in schemes)
            raise self.page.fail(at, f"{url!r} is not a URL that begins with {begins}")
        if "://" not in url:
            raise self.page.fail(at, f"{url!r} is not a URL")

    def _refuse_secrets(self, at: At, url: str) -> None:
        if secret := secret_in(url, self.secret_words):
            raise self.page.fail(
                at,
                f"a contract holds no credentials, and this address holds one ({secret}), which would be shown in the UI "
                "and in every failure; take them out and set them in the environment",
            )
