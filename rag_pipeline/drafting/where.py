"""Where a feed is, as people write it on the command line: the kind of source that has such addresses finds it."""

import re
import unicodedata

from rag_pipeline.connectors.registry import kinds_for
from rag_pipeline.contracts.read import RESERVED
from rag_pipeline.errors import PipelineError
from rag_pipeline.feeds.draft import Address, DatabaseWish, Found


def feed_at(address: Address) -> Found:
    """The feed at an address. Raises `PipelineError` when nothing that can be read is meant."""
    kinds, broken = kinds_for(address.schemes)
    for problem in (one.problem for one in broken if one.name in address.schemes):
        raise PipelineError(problem)
    for kind in kinds:
        if kind.find is None or not (found := kind.find(address)):
            continue
        if address.wish != DatabaseWish() and not kind.takes_wishes:
            raise PipelineError(f"--table, --query and --cursor are for databases, and {address.places[0]} is not one")
        return found
    raise PipelineError(
        f"{len(address.places)} places are named, but only pages of a website can be several; "
        "did the shell expand a pattern? Put it in quotes: 'data/*.jsonl'"
    )


def source_name(text: str) -> str:
    """A name a source may have, made from any text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not re.match("[a-z]", name):
        name = f"source_{name}".strip("_")
    if len(name) < 3 or name in RESERVED:
        name = f"{name}_source"
    return name[:63].rstrip("_")
