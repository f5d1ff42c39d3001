"""Where evidence lies: a folder a release's content, append-only, one file an evaluation and what belongs to it beside."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_texts import SUFFIX, keep_texts
from rag_pipeline.files import write_json

_STAMP = "%Y%m%dT%H%M%S.%f"
"""How a file of evidence begins, so that names sort as they were written."""


def keep(home: Path, evidence: Evidence) -> Path:
    """Append evidence to what is known of its release; earlier evidence is never touched.

    Its name comes after those of all that is there, also when the clock was set back meanwhile: a failed evaluation
    must not lose to an older one that passed.
    """
    folder = home / "evidence" / evidence.release_fingerprint
    at = evidence.created_at.astimezone(UTC)
    if earlier := _files(folder):
        last = datetime.strptime(earlier[-1].name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
        at = max(at, last + timedelta(microseconds=1))
    path = folder / f"{at:{_STAMP}}-{evidence.seal[:8]}.json"
    keep_texts(path, evidence)
    write_json(path, evidence.model_dump(mode="json"))
    return path


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.endswith(SUFFIX)) if folder.is_dir() else []


def at_promotion(home: Path, release_fingerprint: str, seal: str | None) -> Evidence | None:
    """The evidence a release was promoted on, by its seal; None when it is not there or was changed since."""
    folder = home / "evidence" / release_fingerprint
    for path in sorted(folder.glob(f"*-{seal[:8]}.json")) if seal and folder.is_dir() else ():
        try:
            found = Evidence.model_validate_json(path.read_bytes())
        except ValueError:
            continue
        if found.seal == seal and found.intact:
            return found
    return None


def newest(home: Path, release_fingerprint: str) -> Evidence | None:
    """The latest evidence on a release, by file name; None when there is none, or the latest is damaged."""
    paths = _files(home / "evidence" / release_fingerprint)
    if not paths:
        return None
    try:
        return Evidence.model_validate_json(paths[-1].read_bytes())
    except ValueError:
        return None  # older evidence must not stand in for it
