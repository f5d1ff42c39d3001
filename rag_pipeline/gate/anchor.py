"""The anchor of a channel: the release that later ones are compared with, night after night, whatever served in between.

It is what a person last accepted, or what was shown to be better, and every row of the audit table holds it. It needs no
release directory: its evidence and lists are kept forever, and its documents as hashes, one on each line.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from rag_pipeline.channels.audit import moves
from rag_pipeline.channels.audit_rows import Row, channel_of
from rag_pipeline.channels.pointer import Anchor, Channel
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.evaluate.against import Earlier
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import newest
from rag_pipeline.evaluate.seal import key_name
from rag_pipeline.files import file_sha256, fingerprint, sync, write_text
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.index.release_chunks import contents
from rag_pipeline.lake import collected
from rag_pipeline.settings import seal_key

FIRST = "the first release that was promoted"
"""Why a release is the anchor of a channel that nobody gave one."""


class Documents:
    """The documents of a release, known by hashes alone."""

    def __init__(self, hashes: Iterable[str]) -> None:
        self._hashes = frozenset(hashes)

    def __contains__(self, document: object) -> bool:
        return isinstance(document, str) and _hash(document) in self._hashes


def anchor_of(home: Home, name: str, channel: Channel | None) -> Anchor | None:
    """The anchor of a channel. One that an older pipeline left has none: it is then the first release that its gate let
    pass of which evidence and documents are still there, and the next move writes it down."""
    if channel is None or channel.anchor:
        return channel.anchor if channel else None
    for row in reversed(moves(home, name)):
        fit = row["action"] == "promoted" and row["evidence"] and row["fingerprint"]
        if fit and row["fingerprint"] not in channel.withdrawn:
            first = Anchor(
                release=row["release"],
                fingerprint=row["fingerprint"],
                evidence=row["evidence"],
                at=row["at"],
                by=row["by"],
                why=FIRST,
            )
            if _evidence(home, first) and _released(home, first):
                return first
    return None


def anchored(home: Home, manifest: Manifest, evidence: Evidence, *, by: str, why: str, now: datetime) -> Anchor:
    """A release as an anchor, its documents written down. Raises `ReleaseError` when its chunks are damaged."""
    about = {"release": manifest.id, "fingerprint": manifest.fingerprint, "evidence": evidence.seal}
    return kept(home, Anchor(**about, at=now, by=by, why=why))


def kept(home: Home, anchor: Anchor) -> Anchor:
    """The anchor with its documents written down, so that its release may go."""
    if anchor.documents:
        return anchor
    path = _path(home, anchor.fingerprint)
    path.parent.mkdir(exist_ok=True)
    sync(home.root)
    write_text(path, "".join(f"{one}\n" for one in sorted(_hashes(home, read_manifest(home.release(anchor.release))))))
    return anchor.model_copy(update={"documents": file_sha256(path)})


def before(home: Home, name: str, release: str, withdrawn: Mapping[str, str]) -> Anchor | None:
    """The anchor as it was when a release was last promoted, if that was not withdrawn itself; None when nobody knows."""
    for row in moves(home, name):
        if row["release"] == release and (found := _told(row, name)) and found.fingerprint not in withdrawn:
            return found
    return None


def accepted(home: Home, release_id: str) -> tuple[Manifest, Evidence]:
    """A release that can be an anchor. Raises `ReleaseError` when it is not kept, or was never measured."""
    manifest = read_manifest(home.release(release_id))
    if (evidence := newest(home, manifest.fingerprint)) is None:
        says = f"{release_id} cannot be the anchor: there is no evidence on it that counts"
        raise ReleaseError(f"{says}; `rag evaluate --release {release_id}` measures it")
    return manifest, evidence


def reference(home: Home, anchor: Anchor) -> Earlier:
    """What a release is held against. Raises `PipelineError`, with what to do, when it is not there any more."""
    found = _evidence(home, anchor)
    documents = _documents(home, anchor)
    if found is None or documents is None:
        lacks = "the evidence it was accepted on is" if found is None else "the list of its documents is"
        raise PipelineError(
            f"nothing can be held against the anchor {anchor.release}: {lacks} gone or was changed; bring it back, or name "
            "another: `rag anchor RELEASE --by NAME --reason WHY`"
        )
    later = newest(home, anchor.fingerprint)
    return Earlier((found, later) if later and later.seal != found.seal else (found,), documents)


def _documents(home: Home, anchor: Anchor) -> Documents | None:
    path = _path(home, anchor.fingerprint)
    if anchor.documents and path.is_file() and file_sha256(path) == anchor.documents:
        return Documents(path.read_text(encoding="ascii").split())
    try:
        return Documents(_hashes(home, read_manifest(home.release(anchor.release))))
    except ReleaseError:
        return None


def _released(home: Home, anchor: Anchor) -> bool:
    """Whether its release is kept, and is the content it was."""
    try:
        return read_manifest(home.release(anchor.release)).fingerprint == anchor.fingerprint
    except ReleaseError:
        return False


def _hashes(home: Home, manifest: Manifest) -> set[str]:
    rows = contents(home.release(manifest.id), manifest).select("document_id").unique().pipe(collected)
    return {_hash(one) for one in rows["document_id"]}


def _evidence(home: Home, anchor: Anchor) -> Evidence | None:
    """What an anchor was accepted on, by its seal; also where the key it was sealed with is not set here any more."""
    folder = home.evidence_on(anchor.fingerprint)
    for path in sorted(folder.glob(f"*-{anchor.evidence[:8]}.json")) if folder.is_dir() else ():
        try:
            found = Evidence.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            continue
        of_another_key = found.key != key_name(seal_key()) and (bool(found.key) or not found.seal_problem(""))
        if found.seal == anchor.evidence and (found.intact or of_another_key):
            return found
    return None


def _told(row: Row, name: str) -> Anchor | None:
    try:
        return channel_of(row, name).anchor
    except ReleaseError:
        return None


def _path(home: Home, release_fingerprint: str) -> Path:
    return home.anchor(release_fingerprint)


def _hash(document: str) -> str:
    return fingerprint(document, length=16)
