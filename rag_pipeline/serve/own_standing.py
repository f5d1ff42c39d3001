"""A replica says how it stands, every few seconds, in a file below RAG_HOME: what it answers from, and its last hour."""

import logging
import threading
import time
from datetime import UTC, datetime

from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.release.followed import Followed
from rag_pipeline.replicas.standing import EVERY_S, Serves, Standing, forget, write_standing
from rag_pipeline.replicas.tally import Tally
from rag_pipeline.serve.replica import Replica

log = logging.getLogger("rag_pipeline")


class OwnStanding:
    """Writes until it is closed. What cannot be written is tried again; no request waits for it, or fails."""

    def __init__(self, home: Home, replica: Replica, tally: Tally, url: str) -> None:
        self._home, self._replica, self._tally, self._url = home, replica, tally, url
        self._began = datetime.now(UTC)
        self._since: dict[str, tuple[str, datetime]] = {}
        self._failed = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="own-standing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write a last time: that it ended in order."""
        self._end.set()
        self._thread.join(EVERY_S)
        self._write(ended=True)

    def _run(self) -> None:
        try:
            forget(self._home, self._began)
        except (OSError, PipelineError) as error:
            log.warning("what earlier replicas said cannot be removed: %s", _why(error))
        self._write()
        while not self._end.wait(EVERY_S):
            self._write()

    def _write(self, *, ended: bool = False) -> None:
        try:
            write_standing(self._home, self._now(ended=ended))
        except (OSError, PipelineError) as error:
            if self._failed != _why(error):
                log.warning(
                    "%s cannot be written (%s), so Dagster does not see this replica", self._home.replicas, _why(error)
                )
            self._failed = _why(error)
        else:
            self._failed = ""

    def _now(self, *, ended: bool) -> Standing:
        now = datetime.now(UTC)
        own = {name: self._replica.channel(name) for name in self._replica.channels}
        followed = {**own, **self._replica.splitting.beside}
        return Standing(
            replica=self._replica.name,
            url=self._url,
            began_at=self._began,
            written_at=now,
            ended_at=now if ended else None,
            channels={name: self._serves(name, one, now) for name, one in followed.items()},
            minutes=self._tally.minutes(time.time()),
            tried=self._replica.splitting.tried,
        )

    def _serves(self, name: str, followed: Followed, now: datetime) -> Serves:
        release = followed.state.serving if followed.state else ""
        if self._since.get(name, ("",))[0] != release:
            self._since[name] = release, now
        since = self._since[name][1] if release else None
        return Serves(
            release=release,
            since=since,
            why_not=followed.why,
            no_encoder=followed.no_encoder,
            no_reranker=followed.no_reranker,
        )


def _why(error: OSError | PipelineError) -> str:
    """What the system says of a folder, or the store of a bucket."""
    return str(error.strerror if isinstance(error, OSError) else error)
