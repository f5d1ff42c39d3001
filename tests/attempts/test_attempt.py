"""What an attempt is made with: its settings, and the machine it is on."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.attempts import attempt
from rag_pipeline.attempts.attempt import Ground, make
from rag_pipeline.attempts.plan import Planned
from rag_pipeline.corpus.engines import Cluster, cluster_of
from rag_pipeline.home import Home
from rag_pipeline.settings import Settings


class Enough(Exception):
    """It came as far as the test wants."""


def test_beside_a_home_in_a_bucket_a_try_is_embedded_by_its_own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workshop is a folder of this machine, which workers on others do not see."""
    told: list[Cluster | None] = []

    def embed(home: Home, model: object, load: object, cluster: Cluster | None) -> None:
        told.append(cluster)
        raise Enough

    monkeypatch.setattr(attempt, "update_chunks", lambda *_: None)
    monkeypatch.setattr(attempt, "update_embeddings", embed)
    settings = Settings.model_validate({"home": tmp_path / "home", "embed_engine": "ray"})
    for uri in ("", "s3://bucket/home"):
        home = Home(tmp_path / "home", uri)
        ground = Ground(home, home.workshop, (), (), 1, "run", datetime.now(UTC))
        with pytest.raises(Enough):
            make(ground, Planned("as it is now", {}, settings, ()))
    assert told == [cluster_of(settings), None] and told[0] is not None
