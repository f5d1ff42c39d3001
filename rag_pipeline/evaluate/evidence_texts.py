"""Texts of documents that evidence quotes, in a file beside it: people see them, they decide nothing, and can be removed.

The sealed file names documents and hashes of quotes only. So a document that is removed takes its words along without
breaking a seal.
"""

import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from rag_pipeline.evaluate.evidence import Evidence, Example
from rag_pipeline.files import write_json
from rag_pipeline.home import Home

log = logging.getLogger("rag_pipeline")

SUFFIX = ".examples.json"


class _Texts(BaseModel):
    """One such file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seal: str
    """Seal of the evidence that it belongs to."""
    examples: dict[str, list[Example]]
    """golden set -> the queries that lost most"""
    quotes: dict[str, dict[str, str]]
    """document -> hash of a quote that cannot be found any more -> the quote"""


def texts_path(evidence_file: Path) -> Path:
    """Where the texts of an evidence file lie, if there are any."""
    return evidence_file.with_name(evidence_file.name.removesuffix(".json") + SUFFIX)


def keep_texts(evidence_file: Path, evidence: Evidence) -> None:
    """Write what evidence quotes beside it; nothing when it quotes nothing."""
    examples = {name: one.examples for name, one in evidence.golden_sets.items() if one.examples}
    quotes: dict[str, dict[str, str]] = {}
    for one in evidence.golden_sets.values():
        for gone in one.unresolved:
            if gone.quote:
                quotes.setdefault(gone.document, {})[gone.passage] = gone.quote
    if examples or quotes:
        texts = _Texts(seal=evidence.seal, examples=examples, quotes=quotes)
        write_json(texts_path(evidence_file), texts.model_dump(mode="json"))


def with_texts(home: Home, evidence: Evidence) -> Evidence:
    """The evidence with what it quotes, as far as that is still there; as it is when it carries its texts already."""
    if any(one.examples for one in evidence.golden_sets.values()) or not (texts := _read(home, evidence)):
        return evidence
    sets = {
        name: one.model_copy(
            update={
                "examples": texts.examples.get(name, []),
                "unresolved": [
                    gone.model_copy(update={"quote": texts.quotes.get(gone.document, {}).get(gone.passage, "")})
                    for gone in one.unresolved
                ],
            }
        )
        for name, one in evidence.golden_sets.items()
    }
    return evidence.model_copy(update={"golden_sets": sets})


def read_examples(home: Home, evidence: Evidence) -> dict[str, list[Example]]:
    """golden set -> the queries that lost most, with their passages; empty when they were removed or cannot be read."""
    texts = _read(home, evidence)
    return texts.examples if texts else {}


def _read(home: Home, evidence: Evidence) -> _Texts | None:
    folder = home.evidence_on(evidence.release_fingerprint)
    for path in sorted(folder.glob(f"*-{evidence.seal[:8]}{SUFFIX}")) if evidence.seal and folder.is_dir() else ():
        try:
            found = _Texts.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read, so its passages are not shown: %s", path, str(error).splitlines()[0])
            continue
        if found.seal == evidence.seal:
            return found
    return None


def forget_quotes(home: Home, document_ids: Collection[str]) -> int:
    """Remove every passage of these documents from what evidence quotes, file by file; returns how many went.

    Also from evidence of older formats, which holds the passages itself: nothing is decided on it any more.
    """
    gone, count = frozenset(document_ids), 0
    for path in sorted(home.evidence.glob("*/[!.]*.json")) if gone else ():
        if not path.is_file() or not (path.name.endswith(SUFFIX) or _of_an_older_format(path)):
            continue
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read; remove it, it may quote a document that is gone: %s", path, error)
            continue
        kept, removed = _without(content, gone)
        if removed:
            write_json(path, kept)
            count += removed
    return count


def _of_an_older_format(path: Path) -> bool:
    return any(f'"format": {number}'.encode() in path.read_bytes() for number in (1, 2, 3))


def _without(value: Any, gone: frozenset[str]) -> tuple[Any, int]:
    """A file's content without the passages of some documents, wherever they stand in it, and how many those were."""
    if isinstance(value, list):
        parts = [_without(one, gone) for one in value if not _quotes(one, gone)]
        return [one for one, _ in parts], sum(count for _, count in parts) + len(value) - len(parts)
    if isinstance(value, dict):
        if value.get("document") in gone and value.get("quote"):
            return value | {"quote": ""}, 1
        named = {name: one for name, one in value.items() if not (name in gone and isinstance(one, dict))}
        dropped = sum(len(one) for name, one in value.items() if name not in named)
        found = {name: _without(one, gone) for name, one in named.items()}
        return {name: one for name, (one, _) in found.items()}, dropped + sum(count for _, count in found.values())
    return value, 0


def _quotes(value: Any, gone: frozenset[str]) -> bool:
    """Whether this is a passage of one of the documents."""
    return isinstance(value, dict) and value.get("document") in gone and "text" in value
