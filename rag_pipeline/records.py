"""What is kept as JSON on disk: it does not change once it is read, and a field that nobody knows is an error."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """One JSON object of a manifest, of evidence, of a choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")
