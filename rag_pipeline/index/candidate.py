"""The candidate: the newest release that a refresh arrived at, named in one small file for the steps that follow."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from rag_pipeline.errors import ReleaseError, first_problem
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest


class Candidate(BaseModel):
    """The release that a refresh ended in. The gate does not trust it: it looks at the release itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    fingerprint: str
    at: datetime
    run_id: str


def name_candidate(home: Home, manifest: Manifest, *, run_id: str, now: datetime) -> Candidate:
    candidate = Candidate(release=manifest.id, fingerprint=manifest.fingerprint, at=now, run_id=run_id)
    write_json(home.candidate, candidate.model_dump(mode="json"))
    return candidate


def read_candidate(home: Home) -> Candidate:
    """The candidate. Raises `ReleaseError` when no refresh has built one yet."""
    try:
        return Candidate.model_validate_json(home.candidate.read_bytes())
    except FileNotFoundError as error:
        raise ReleaseError("there is no candidate yet; materialize index/candidate, or run `rag refresh`") from error
    except ValidationError as error:
        raise ReleaseError(f"{home.candidate} is damaged: {first_problem(error)}; `rag refresh` writes it again") from error
