"""Answer versions in the home: one file each, called by the hash of what it holds, written once and never changed."""

import re
from collections.abc import Iterable, Mapping

from pydantic import Field, ValidationError

from rag_pipeline.answer.config import Config, Prices
from rag_pipeline.errors import PipelineError
from rag_pipeline.files import fingerprint, write_json
from rag_pipeline.home import Home
from rag_pipeline.mirrored import seen
from rag_pipeline.records import Record
from rag_pipeline.versions.content import AnswerVersion

VERSIONS = "versions"
_ID = re.compile(r"[0-9a-f]{32}")


class KeptVersion(Record):
    """A version, and what its models cost when it was made: no part of the version, and no secret."""

    version: AnswerVersion
    prices: dict[str, Prices] = Field(default_factory=dict)
    prices_sha256: str = ""
    """So that a changed price shows too; empty in files from before."""

    @property
    def is_whole(self) -> bool:
        return self.prices_sha256 in ("", _hash_of(self.prices))


def keep_version(home: Home, version: AnswerVersion, config: Config | None) -> KeptVersion:
    """Keep a version, if it is not kept already and whole."""
    try:
        return read_version(home, version.id)
    except PipelineError:
        prices = {one.name: one.usd_per_million for one in config.models} if config else {}
        kept = KeptVersion(version=version, prices=prices, prices_sha256=_hash_of(prices))
        write_json(home.answers / VERSIONS / f"{version.id}.json", kept.model_dump(mode="json", by_alias=True))
        return kept


def read_version(home: Home, version_id: str) -> KeptVersion:
    """A kept version. Raises `PipelineError` where there is none, or it is not what its name says."""
    if not _ID.fullmatch(version_id):
        raise PipelineError(
            f"{version_id!r} is not the id of an answer version; `rag answers version` shows those there are"
        )
    path = home.answers / VERSIONS / f"{version_id}.json"
    seen(path)
    try:
        found = KeptVersion.model_validate_json(path.read_bytes())
    except OSError as error:
        says = f"there is no answer version {version_id} in {home}; `rag answers version` lists them, and keeps"
        raise PipelineError(f"{says} the one that is configured") from error
    except ValidationError as error:
        raise PipelineError(_changed(path.name)) from error
    if found.version.id != version_id or not found.is_whole:
        raise PipelineError(_changed(path.name))
    return found


def kept_versions(home: Home) -> list[str]:
    """Ids of all that are kept, the latest last."""
    folder = home.answers / VERSIONS
    seen(folder)
    files = [path for path in folder.glob("*.json") if _ID.fullmatch(path.stem)] if folder.is_dir() else []
    return [path.stem for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))]


def damaged_versions(home: Home, named: Iterable[str] = ()) -> dict[str, str]:
    """What is wrong with versions that are kept, or that a channel names (`named`), by id, and what to do about it."""
    found = {}
    for version_id in sorted({*kept_versions(home), *named}):
        try:
            read_version(home, version_id)
        except PipelineError as error:
            found[version_id] = str(error)
    return found


def _hash_of(prices: Mapping[str, Prices]) -> str:
    return fingerprint({name: one.model_dump(mode="json") for name, one in prices.items()}, length=64)


def _changed(name: str) -> str:
    return (
        f"answer version {name.removesuffix('.json')} was changed after it was kept: its hash does not match; put its "
        "prompt and settings back and `rag answers version` keeps it again, or promote another"
    )
