"""What is of one machine is refused where the home lies in a bucket, by the setting's name."""

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import load_settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [("RAG_EMBED_ENGINE", "ray")],
)
def test_a_setting_that_writes_on_one_machine_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> None:
    monkeypatch.setenv("RAG_HOME", "s3://bucket/home")
    monkeypatch.setenv("RAG_LOCKS", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv(setting, value)
    with pytest.raises(
        PipelineError, match=rf"{setting}.* and RAG_HOME=s3://bucket/home lies in a bucket: set {setting} to"
    ):
        load_settings()
