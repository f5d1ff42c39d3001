"""One contract's YAML while it is read: where things are, how to refuse one, and the pipeline's own properties."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rag_pipeline.contracts.contract import HOURS
from rag_pipeline.contracts.standard import dotted
from rag_pipeline.contracts.yaml_lines import Step, YamlFile
from rag_pipeline.errors import ContractError, given_twice, unknown_name

At = tuple[Step, ...]
"""A place in the file: keys and positions from the top."""

CUT_PROPERTIES = ("chunkTokens", "chunkMinTokens", "chunkSplitter")
"""How a source is cut into chunks."""

CONTRACT_PROPERTIES = (
    "quarantineMaxPercent",
    "volumeMaxDropPercent",
    "textLostMaxPercent",
    *CUT_PROPERTIES,
    "piiPolicy",
    "piiEntities",
    "piiRegions",
    "changelog",
    "madeBy",
)
COLUMN_PROPERTIES = ("role", "filterable", "piiPolicy", "piiEntities")
"""Custom properties the pipeline understands; the standard has no field for them. A server has more (`connectors/`)."""


@dataclass(frozen=True, slots=True)
class Page:
    """A document that is valid ODCS, and the name of the source it is about."""

    document: YamlFile
    source: str

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = self.document.content
        return content

    def fail(self, at: At, message: str) -> ContractError:
        """The error for a place: file, line, field, and what is wrong there."""
        return ContractError(f"{self.document.where(at)}: {dotted(at)}: {message}")

    def custom(self, at: At, holder: dict[str, Any], ours: Sequence[str]) -> dict[str, Any]:
        """Custom properties by name. One that is nearly ours is taken for a typing error, others are left alone."""
        found: dict[str, Any] = {}
        for index, entry in enumerate(holder.get("customProperties") or []):
            name = entry["property"]
            if name not in ours and difflib.get_close_matches(name.lower(), [own.lower() for own in ours], cutoff=0.75):
                raise self.fail((*at, "customProperties", index), unknown_name("custom property", name, ours))
            if name in ours and name in found:
                raise self.fail((*at, "customProperties", index), given_twice(repr(name)))
            found[name] = entry["value"]
        return found

    def custom_at(self, at: At, holder: dict[str, Any], name: str) -> At:
        """Where a custom property stands, for a message about its value."""
        entries = holder.get("customProperties") or []
        index = next((index for index, entry in enumerate(entries) if entry["property"] == name), None)
        return (*at, "customProperties") if index is None else (*at, "customProperties", index)

    def number(self, at: At, value: Any, *, least: float, most: float, what: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.fail(at, f"{value!r} is not {what} from {least:g} to {most:g}")
        return float(value)

    def whole_number(self, at: At, value: Any, *, least: int, most: int, what: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.fail(at, f"{value!r} is not {what}, a whole number from {least} to {most:,}")
        return value

    def words(self, at: At, value: Any, known: Iterable[str] | None, what: str) -> tuple[str, ...]:
        """A list of texts, each one of `known` if that is given."""
        if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
            raise self.fail(at, f"{value!r} is not a list of texts")
        for word in value:
            if known is not None and word not in known:
                raise self.fail(at, unknown_name(what, word, known))
        return tuple(value)

    def hours(self, at: At, promise: dict[str, Any]) -> float:
        """The value and unit of a promise about time, in hours."""
        unit = str(promise.get("unit", "h"))
        if unit not in HOURS:
            raise self.fail((*at, "unit"), unknown_name("unit", unit, ("min", "h", "d", "w", "mo", "y")))
        try:
            hours = float(promise["value"]) * HOURS[unit]
        except (TypeError, ValueError) as error:
            raise self.fail((*at, "value"), f"{promise['value']!r} is not a number of {unit}") from error
        if not 0 < hours < float("inf"):
            raise self.fail((*at, "value"), f"{promise['value']!r} {unit} is not a time above zero")
        return hours


def slug(text: str) -> str:
    """A name Dagster accepts, made from one people write."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", text.strip()).strip("_").lower()
