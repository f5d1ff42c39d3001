"""Where evidence of traffic is kept, beside the evidence of the same content: append-only, a file each time it is made.

Every earlier file is a witness: rows that it counted must still be there. So a table that lost or changed some of them since
is found, also where evidence is made of it anew.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rag_pipeline.evaluate.evidence_store import OF_TRAFFIC, STAMP
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.mirrored import seen
from rag_pipeline.traffic.evidence import TrafficEvidence


def keep(home: Home, evidence: TrafficEvidence) -> Path:
    """Append it; its file."""
    at = evidence.created_at.astimezone(UTC)
    path = home.evidence_on(evidence.release_fingerprint) / f"traffic-{at:{STAMP}}-{evidence.seal[:8]}.json"
    with home.exclusive("evidence", wait_s=60):
        write_json(path, evidence.model_dump(mode="json"))
    return path


def files(home: Home, fingerprint: str) -> list[Path]:
    """Those on one content, in the order of their names."""
    folder = home.evidence_on(fingerprint)
    seen(folder)
    found = folder.glob("traffic-*.json") if folder.is_dir() else ()
    return sorted(path for path in found if OF_TRAFFIC.fullmatch(path.name))


def newest(home: Home, fingerprint: str, channel: str) -> tuple[TrafficEvidence | None, str]:
    """What was made last for a channel, by what it says itself; or None, and why if a file says nothing.

    A file that cannot be read counts as the newest: nobody can tell what it said.
    """
    found: list[TrafficEvidence] = []
    for path in files(home, fingerprint):
        try:
            found.append(TrafficEvidence.model_validate_json(path.read_bytes()))
        except (ValueError, OSError):
            return None, f"{path} is damaged; remove it, and make evidence again"
    mine = [one for one in found if one.channel == channel]
    return (sorted(mine, key=lambda one: one.created_at)[-1], "") if mine else (None, "")


def missing_rows(home: Home, now: TrafficEvidence) -> str:
    """What earlier evidence counted on the same channel and the table does not hold as it was; empty where it holds all."""
    hours = {one.begins: one for one in now.hours}
    whole_from, settled = now.since + timedelta(hours=1), now.until - timedelta(hours=1)
    for earlier in _earlier(home, now):
        for was in earlier.hours:
            begins = datetime.fromisoformat(was.begins)
            if begins < whole_from or (begins > settled and earlier.until > now.until):
                continue
            there = hours.get(was.begins)
            changed = there is not None and there.rows == was.rows and there.digest != was.digest
            if there is None or there.rows < was.rows or there.errors < was.errors or changed:
                return (
                    f"rows of {begins:%Y-%m-%d %H}:00 UTC that evidence of {earlier.created_at:%Y-%m-%d %H:%M} UTC was made "
                    "of are gone from the table of questions, or were changed"
                )
    return ""


def _earlier(home: Home, now: TrafficEvidence) -> Iterator[TrafficEvidence]:
    for path in files(home, now.release_fingerprint):
        try:
            one = TrafficEvidence.model_validate_json(path.read_bytes())
        except (ValueError, OSError):
            continue
        if one.intact and one.served_on == now.served_on:
            yield one
