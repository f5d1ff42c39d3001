"""Where evidence of answers is kept: append-only, one file an evaluation, in the same chain of heads as other evidence."""

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from rag_pipeline.evaluate.evidence_store import HEADS, after, files_of, head_of, heads_table, name_of, out_of_line
from rag_pipeline.evaluate.seal import key_name
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.settings import seal_key
from rag_pipeline.versions.evidence import AnswerEvidence

EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class Shown:
    """The newest evidence on a pair of release and version, and why it does not count, if it does not."""

    evidence: AnswerEvidence | None
    problem: str = ""


def keep_evidence(home: Home, evidence: AnswerEvidence) -> AnswerEvidence:
    """Append evidence on its pair and return it as it was kept. The table is told first, as for other evidence."""
    pair = evidence.release_fingerprint, evidence.version
    folder = _folder(home, *pair)
    with home.exclusive("evidence", wait_s=60):
        head, names = head_of(home, _key(*pair)), [path.name for path in files_of(folder)]
        kept = evidence.model_copy(
            update={
                "sequence": head["sequence"] + 1 if head else 1,
                "previous": head["seal"] if head else "",
                "kept_at": after(evidence.created_at, [*names, head["file"]] if head else names),
            }
        ).sealed()
        path = folder / name_of(kept)
        row = kept.model_dump(include={"release", "sequence", "seal", "previous"}) | {"release_fingerprint": _key(*pair)}
        heads_table(home).append(pa.Table.from_pylist([row | {"at": kept.created_at, "file": path.name}], HEADS))
        write_json(path, kept.model_dump(mode="json"))
    return kept


def evidence_on(home: Home, release_fingerprint: str, version: str) -> Shown:
    """The newest evidence on a pair; it must be what the table of evidence says was kept last, and carry its seal."""
    folder = _folder(home, release_fingerprint, version)
    files, head = files_of(folder), head_of(home, _key(release_fingerprint, version))
    if head is None and not files:
        return Shown(None, f"nobody measured the answers of version {version[:12]} on this release")
    path = folder / head["file"] if head else files[-1]
    try:
        found = AnswerEvidence.model_validate_json(path.read_bytes())
    except OSError:
        return Shown(None, f"the newest evidence of answers, {path.name}, is gone")
    except ValueError:
        return Shown(None, f"the newest evidence of answers, {path.name}, is damaged")
    if (found.release_fingerprint, found.version) != (release_fingerprint, version):
        return Shown(None, f"{path.name} is evidence of answers of another release or version")
    return Shown(found, out_of_line(found, path, files, head) or found.seal_problem(seal_key()))


def is_kept(home: Home, release_fingerprint: str, version: str, seal: str) -> bool:
    """Whether the evidence that a version was let pass on is there, with the seal that it had.

    Of evidence that was sealed with a key which is not here any more, its own word is all there is.
    """
    if not _PAIR.fullmatch(_key(release_fingerprint, version)):
        return False
    for path in files_of(_folder(home, release_fingerprint, version)):
        try:
            found = AnswerEvidence.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            continue
        if found.seal == seal and (found.release_fingerprint, found.version) == (release_fingerprint, version):
            if found.key == key_name(seal_key()):
                return not found.seal_problem(seal_key())
            return bool(found.key) or not found.seal_problem("")
    return False


_PAIR = re.compile(r"[0-9a-f]{1,64}\+[0-9a-f]{32}")


def _key(release_fingerprint: str, version: str) -> str:
    """What the table of evidence calls a pair; no fingerprint of a release is like it."""
    return f"{release_fingerprint}+{version}"


def _folder(home: Home, release_fingerprint: str, version: str) -> Path:
    return home.answers / EVIDENCE / release_fingerprint / version
