"""The job that tries settings, as the UI launches it."""

import dagster as dg

from rag_pipeline.defs.graph import build
from tests.conftest import Workspace
from tests.support.command_line import pipeline, refreshed

__all__ = ["pipeline", "refreshed"]


def test_the_launchpad_compares_settings_and_shows_a_table_with_a_link_to_the_page(
    pipeline: Workspace, refreshed: str
) -> None:
    settings = pipeline.settings.model_copy(update={"reports_url": "http://127.0.0.1:3001"})
    job = build(settings).resolve_job_def("try_settings")
    with dg.DagsterInstance.get() as instance:
        config = {"ops": {"compare": {"config": {"values": {"RAG_RETRIEVAL": "lexical"}}}}}
        ran = job.execute_in_process(instance=instance, run_config=config)
        [output] = [event for event in ran.all_events if event.is_successful_output]
        told = output.step_output_data.metadata
        tags = instance.get_run_by_id(ran.run_id).tags  # type: ignore[union-attr]
    table = told["attempts"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["settings"] for record in table.records] == ["as it is now", "RAG_RETRIEVAL=lexical"]
    assert [record.data["chunks"] for record in table.records] == [3, 3]
    link = told["report"]
    assert isinstance(link, dg.UrlMetadataValue)
    page = settings.home.try_report(tags["rag/try"])
    assert link.url == f"http://127.0.0.1:3001/{page.name}" and page.is_file()

    wrong = {"ops": {"compare": {"config": {"values": {"RAG_CHUNK_TOKEN": "1"}}}}}
    failed = job.execute_in_process(run_config=wrong, raise_on_error=False)
    [event] = failed.filter_events(lambda event: event.is_step_failure)
    assert "did you mean RAG_CHUNK_TOKENS?" in str(event.step_failure_data)
