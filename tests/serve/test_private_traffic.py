"""Private values that somebody types, into questions and comments: no file that the pipeline writes of traffic has one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import httpx
import pytest

from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs.traffic import traffic_assets
from rag_pipeline.evaluate.evaluate import Evaluation, evaluate_release
from rag_pipeline.golden.judging import Judging
from rag_pipeline.golden.read import read_golden_set, read_golden_sets
from rag_pipeline.index.retrieve import open_release
from rag_pipeline.report.traffic_page import page_of
from rag_pipeline.serve.asked import SearchRequest
from rag_pipeline.traffic.export import export_ubi
from rag_pipeline.traffic.judged import write_sets
from rag_pipeline.traffic.queue import QUERIES, draw_queue
from rag_pipeline.traffic.queue_session import QueueSession
from rag_pipeline.traffic.segments import waiting
from rag_pipeline.traffic.strata import SIZES_OF_A_DRAW
from tests.conftest import Workspace
from tests.support.logged import SALT, logging_replica
from tests.support.planted_values import PLANTED, texts_of
from tests.support.private_values import EXAMPLES
from tests.support.queued import settings_of
from tests.support.replicas import PLAIN, key_for
from tests.support.small_releases import real_encoder, real_model

VALUES = [*(found[0] for found, _ in EXAMPLES.values()), *(value for some in PLANTED.values() for value in some)]
"""One of each kind that the finders know, and those that are planted into feeds."""
OURS = ("lake", "traffic", "replicas", "reports", "evals", "evidence")
"""Where what was asked, or what is made of it, could be. Releases hold documents."""


def everything(*folders: Path) -> str:
    files = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
    return "\n".join(text for path in files for text in texts_of(path))


def found_in(text: str) -> list[str]:
    return [value for value in VALUES if value in text]


def judge_all(served: Workspace, now: datetime) -> None:
    """Draw what was asked, and judge that the first page answers everything; written as a golden set and its probes."""
    settings, model = settings_of(served), real_model()
    queue = draw_queue(settings, now, {**SIZES_OF_A_DRAW, "uniform": 40}, real_encoder, model)
    with open_release(served.home, serving(served.home) or "", ["hybrid"]) as opened:
        reader = opened.readable_by(queue.reads)
        judging = Judging.open(queue.folder, served.home)
        one = QueueSession.of(judging, reader, real_encoder, "ana", queue.lines)
        while (found := one.next()) and len(one.judged) < 12 * 3:
            one.grade(2 * found.document.endswith("travel.md"), now)
        grades = read_golden_set(queue.folder, to_be_judged=True).qrels
        told = write_sets(settings.evals, "asked", queue, grades, one.complete(), served.home)
    assert told.answered and told.probes
    evaluation = Evaluation(served.home, read_golden_sets(settings.evals), model, {}, run_id="run", now=now)
    assert evaluate_release(evaluation, serving(served.home) or "", None).golden_sets["asked"].queries == told.answered


def said_of(instance: dg.DagsterInstance) -> Iterable[str]:
    for run in instance.get_run_records():
        yield str(run)
        for record in instance.get_records_for_run(run.dagster_run.run_id).records:
            yield str(record.event_log_entry)


def test_what_is_private_is_in_no_file_table_log_or_metric(
    served: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_PII_SALT", SALT)
    asker = key_for(served.home, "search", "answer", "feedback")
    with logging_replica(served, RAG_SERVE_RATE="900000/minute") as running:
        for number, value in enumerate(VALUES):
            question = f"may I fly with {value} and no train" if number % 4 else f"who saw {value} on the moon"
            path = "/v1/answer" if number % 5 == 0 else "/v1/search"
            session = {"session": f"tab of {value}"} if "session" in SearchRequest.model_fields else {}
            told = running.post(path, asker, {"query": question} | session)
            assert told.status_code == 200, told.text
            comment = {"verdict": "not_useful", "comment": f"no, ask {value} about it"}
            said = running.post("/v1/feedback", asker, {"query_id": told.json()["query_id"]} | comment)
            assert said.status_code == 202
        metrics = httpx.get(running.metrics, **PLAIN).text
    segments = waiting(served.home, "queries") + waiting(served.home, "feedback")
    assert segments
    written = everything(served.home.traffic)
    assert "may I fly with <" in written and "no, ask <" in written, "segments are read decoded"
    assert found_in(written) == found_in(metrics) == found_in("".join(running.raw)) == []

    folder = tmp_path / "dagster"
    folder.mkdir()
    settings = settings_of(served)
    pages = []
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        for judged in (True, False):
            assert dg.materialize(traffic_assets(settings), instance=instance).success
            pages.append(page_of(served.home).read_text())
            if judged:
                judge_all(served, datetime.now(UTC))
        events = "\n".join(said_of(instance))
    assert "on the moon" in pages[0], "the page shows masked texts of what nobody judged"
    export_ubi(served.home, tmp_path / "ubi", datetime.now(UTC) - timedelta(days=1))
    lying = everything(*(root / name for root in (served.root, served.home.root) for name in OURS), tmp_path / "ubi")
    recorded = everything(folder)
    for text, seen in (
        (lying, "may I fly with <"),
        (lying, "no, ask <"),
        (recorded, "topics_nobody_judged"),
        (events, "golden_sets_look_like_traffic"),
        ("\n".join(pages), "who saw &lt;"),
    ):
        assert seen in text, "what is searched is read decoded"
        assert found_in(text) == []
    assert "fly with" not in recorded + events and "the moon" not in recorded + events, (
        "and no question at all is in what Dagster records"
    )
    for file in (settings.evals / "asked" / QUERIES, settings.evals / "asked" / "probes.jsonl"):
        assert "may I fly with" in file.read_text(), f"{file} was among what was searched"
    assert not waiting(served.home, "queries")
    assert SALT not in lying + recorded
    assert "tab of" not in lying + recorded + events + written + metrics + "".join(running.raw), "no session is kept"
