"""How a replica stands, written by itself every few seconds; a file that is no longer written is a replica that is gone."""

import logging
import os
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from rag_pipeline.canary.arms import Tried
from rag_pipeline.files import write_json
from rag_pipeline.home import Home
from rag_pipeline.mirrored import seen
from rag_pipeline.ours import STANDING, found, remove
from rag_pipeline.records import Record
from rag_pipeline.replicas.tally import Minute

log = logging.getLogger("rag_pipeline")

EVERY_S = 5.0
"""How often a replica writes."""
SILENT_AFTER_S = 30.0
"""A replica that has not written for so long is gone, or its machine is."""
FORGOTTEN_AFTER = timedelta(days=1)
"""How long the file of a replica that ended, or is gone, stays."""


def replica_name() -> str:
    """Host, process and when it began: no two replicas have one name."""
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())[:60] or "host"
    return f"{host}-{os.getpid()}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


class Serves(Record):
    """One channel of a replica."""

    release: str = ""
    """The release that answers; empty where none does."""
    since: datetime | None = None
    """Since when this replica answers from it."""
    why_not: str = ""
    """Why what the channel names does not answer here; empty where it does."""
    no_encoder: str = ""
    """Why questions cannot be embedded, so that words alone are searched; empty where they can."""
    no_reranker: str = ""
    """Why hits are not ordered again; empty where they are, or the release names no re-ranker."""

    @property
    def trouble(self) -> str:
        """Empty where all is well."""
        if not self.release:
            return f"nothing answers: {self.why_not or 'no release is open yet'}"
        return self.why_not or self.no_encoder or self.no_reranker


class Standing(Record):
    """One replica."""

    replica: str
    """Its id: host, process and when it began."""
    url: str
    began_at: datetime
    written_at: datetime
    ended_at: datetime | None = None
    """When it ended in order."""
    channels: Mapping[str, Serves]
    minutes: tuple[Minute, ...] = ()
    """Its last hour, oldest first."""
    tried: Tried | None = None
    """What it counted of both arms, where traffic is split."""

    def is_silent(self, now: datetime) -> bool:
        """Whether it ended without a word."""
        return self.ended_at is None and (now - self.written_at).total_seconds() > SILENT_AFTER_S


def write_standing(home: Home, standing: Standing) -> None:
    """Raises `OSError`, as on a full disk: a replica answers all the same."""
    write_json(home.replica(standing.replica), standing.model_dump(mode="json"))


def standings(home: Home) -> tuple[Standing, ...]:
    """Every replica that has written, by id. A file that cannot be read is left out, with a warning."""
    seen(home.replicas)
    read = []
    for file in found(home.replicas, STANDING):
        try:
            read.append(Standing.model_validate_json(file.read_bytes()))
        except (OSError, ValidationError) as error:
            log.warning("%s cannot be read, so that replica is not told: %s", file, type(error).__name__)
    return tuple(read)


def forget(home: Home, now: datetime) -> None:
    """Remove what replicas wrote that are long gone, and files that nobody can read and nobody writes any more."""
    told = {home.replica(one.replica): one.written_at for one in standings(home)}
    for file in found(home.replicas, STANDING):
        written = told.get(file) or datetime.fromtimestamp(file.stat().st_mtime, now.tzinfo)
        if now - written > FORGOTTEN_AFTER:
            remove(file, STANDING)
