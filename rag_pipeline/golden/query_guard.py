"""What a golden set does with private data in its queries, before anything of them is stored, measured or shown.

Masks are those of the documents (same salt, same detector), so that a masked quote is still found in a masked document.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rag_pipeline.contracts.contract import PiiPolicy, Privacy
from rag_pipeline.contracts.entities import ENTITIES, NEEDS_A_MODEL, needs_a_model
from rag_pipeline.errors import GoldenSetError, Unreadable, unknown_name
from rag_pipeline.privacy.masks import Masks, held
from rag_pipeline.privacy.recognizers import unknown_regions
from rag_pipeline.settings import load_secrets


class QueryGuard:
    """The `piiPolicy` of one golden set."""

    def __init__(self, policy: PiiPolicy, entities: Sequence[str], regions: Sequence[str]) -> None:
        self._privacy = Privacy(policy, tuple(entities), tuple(regions))
        self._masks = Masks(load_secrets().salt if policy != "allow" else "")

    def problem(self) -> tuple[str, str] | None:
        """The first field of golden.yaml that names what is not known, and why."""
        for name in self._privacy.entities:
            if name in NEEDS_A_MODEL:
                return "piiEntities", needs_a_model(name)
            if name not in ENTITIES:
                return "piiEntities", unknown_name("entity", name, ENTITIES)
        if unknown := unknown_regions(self._privacy.regions):
            return "piiRegions", f"{', '.join(unknown)}: no such country; use two letters, as in [DE, US]"
        return None

    def query(self, row: dict[str, Any], where: str) -> dict[str, Any]:
        """A line of queries.jsonl as it may be stored. Keys of documents stay: the contract of their source decides.

        Raises `GoldenSetError`, which names the place and not the value, when the set refuses what is in it, or when it
        stands in the query's id, by which people and files find the query.
        """
        if self._privacy.policy == "allow":
            return row
        try:
            if held(row.get("_id"), self._privacy):
                raise GoldenSetError(f"{where}: _id: holds private data; give the query another id, here and in qrels/")
            return {name: row[name] if name == "_id" else self._kept(row[name], f"{where}: {name}") for name in row}
        except Unreadable as error:
            raise GoldenSetError(f"{where}: {error}") from error

    def _kept(self, value: Any, where: str) -> Any:
        if isinstance(value, dict):
            return {name: one if name == "document" else self._kept(one, f"{where}: {name}") for name, one in value.items()}
        if isinstance(value, list):
            return [self._kept(one, where) for one in value]
        return self._text(value, where) if isinstance(value, str) else value

    def _text(self, text: str, where: str) -> str:
        if self._privacy.policy == "refuse":
            if found := held(text, self._privacy):
                said = ", ".join(f"{count} {entity}" for entity, count in sorted(found.items()))
                raise GoldenSetError(
                    f"{where}: holds private data ({said}), which piiPolicy refuses; reword it, or mask it: scan-and-mask"
                )
            return text
        masked = self._masks.masked(text, self._privacy, Counter())
        if masked is None:
            raise GoldenSetError(f"{where}: holds private data that cannot be masked; reword it")
        return masked

    def fingerprint(self, *asked: dict[str, Any]) -> tuple[Any, ...]:
        """What of queries and quotes, as they are asked, their files do not tell: masks change with salt and detector."""
        return () if self._privacy.policy == "allow" else tuple(str(sorted(one.items())) for one in asked)
