"""How a contract says that its source is cut into chunks."""

from typing import Any

from rag_pipeline.contracts.contract import AS_THE_SETTINGS_SAY, SPLITTERS, Cut, Splitter
from rag_pipeline.contracts.page import CUT_PROPERTIES, Page
from rag_pipeline.contracts.standard import dotted
from rag_pipeline.errors import unknown_name

_MOST_TOKENS = 100_000
"""More than any embedding model reads; what the configured one reads is checked when the model is known."""


def read_cut(page: Page, properties: dict[str, Any]) -> Cut:
    """The cut that `customProperties` ask for; where they ask for none, the settings say."""
    if not properties.keys() & set(CUT_PROPERTIES):
        return AS_THE_SETTINGS_SAY
    splitter = _splitter(page, properties)
    tokens = _tokens(page, properties, "chunkTokens", least=1)
    min_tokens = _tokens(page, properties, "chunkMinTokens", least=0)
    at = page.custom_at((), page.content, "chunkMinTokens")
    if min_tokens is not None and splitter == "text":
        says = "chunkMinTokens joins short sections, and chunkSplitter text knows none; remove one of the two"
        raise page.fail(at, says)
    if tokens is not None and min_tokens is not None and min_tokens >= tokens:
        says = f"chunkMinTokens {min_tokens} is not less than chunkTokens {tokens}, so no section would be long enough"
        raise page.fail(at, f"{says}; make it smaller")
    place = page.custom_at((), page.content, next(name for name in CUT_PROPERTIES if name in properties))
    return Cut(tokens, min_tokens, splitter, where=f"{page.document.where(place)}: {dotted(place)}")


def _tokens(page: Page, properties: dict[str, Any], name: str, *, least: int) -> int | None:
    if name not in properties:
        return None
    at = page.custom_at((), page.content, name)
    return page.whole_number(at, properties[name], least=least, most=_MOST_TOKENS, what=f"{name}, a number of tokens")


def _splitter(page: Page, properties: dict[str, Any]) -> Splitter | None:
    if "chunkSplitter" not in properties:
        return None
    said = properties["chunkSplitter"]
    for splitter in SPLITTERS:
        if said == splitter:
            return splitter
    raise page.fail(page.custom_at((), page.content, "chunkSplitter"), unknown_name("chunkSplitter", str(said), SPLITTERS))
