"""A judgment of a golden set that no release can meet any more, and what became of it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rag_pipeline.files import fingerprint

Status = Literal["stale", "dead"]
"""What became of a judgment that cannot be met any more: its quote left the document, or the document is gone."""


class Unresolved(BaseModel):
    """A judgment no release can meet any more; it was taken out for both sides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str
    document: str
    status: Status
    passage: str = ""
    """Hash of the quote: which passage of its document it is, in a file that must not hold the document's words."""
    quote: str = Field(default="", exclude=True)
    """It is not sealed: it is in a file beside the evidence and is removed with its document."""

    @model_validator(mode="before")
    @classmethod
    def _passage_of_quote(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("quote") and not given.get("passage"):
            return given | {"passage": fingerprint(given["quote"], length=16)}
        return given

    @property
    def judgment(self) -> tuple[str, str, str, str]:
        """Which judgment it is and what became of it, with its text or without."""
        return self.query, self.document, self.status, self.passage
