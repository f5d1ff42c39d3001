"""The nightly refresh, end to end, through Dagster."""

import os
import shutil

import dagster as dg
import pytest

from rag_pipeline.channels.pointer import read_channel, serving
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.defs.stages import STAGES
from rag_pipeline.index.manifest import all_manifests, damaged_files
from tests.conftest import Workspace, column, files_contract, table_contract
from tests.pipeline.conftest import FLOORS, LENIENT, PAGES, QUESTIONS, Ask, Run
from tests.support.model_copies import copy_of_model


def test_the_first_refresh_promotes_what_it_built(handbook: Workspace, begin: Run, ask: Ask) -> None:
    ran = begin()
    assert ran.success, ran.errors
    assert ran.assets["corpus/embeddings"]["embedded"] == len(PAGES)
    assert ran.assets["index/production"]["promoted"] is True
    assert list(ran.stages) == list(STAGES)
    assert serving(handbook.home) == ran.assets["index/candidate"]["release"]
    assert ask("where do I keep my passwords")[0] == "handbook/security/passwords.md"


def test_a_second_refresh_with_nothing_changed_embeds_nothing_and_builds_nothing(handbook: Workspace, run: Run) -> None:
    first = run()
    before = {path: path.stat().st_mtime_ns for path in handbook.home.releases.rglob("*") if path.is_file()}
    second = run()
    assert second.success
    assert second.assets["handbook/documents"]["items_read"] == 0
    assert second.assets["corpus/embeddings"]["embedded"] == 0
    assert second.assets["index/candidate"]["built"] is False
    assert second.assets["index/production"]["promoted"] is False
    assert second.assets["index/production"]["release"] == first.assets["index/production"]["release"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    channel = read_channel(handbook.home, "production")
    assert channel is not None and channel.sequence == 1


def test_one_edited_paragraph_embeds_one_text_and_promotes_a_new_release(
    handbook: Workspace, begin: Run, run: Run, ask: Ask
) -> None:
    first = begin()
    handbook.pages({"travel.md": PAGES["travel.md"].replace("second class", "first class on Fridays")})
    second = run()
    assert second.assets["handbook/documents"]["changed"] == 1
    assert second.assets["corpus/embeddings"]["embedded"] == 1
    assert second.assets["index/production"]["promoted"] is True
    assert second.assets["index/production"]["previous"] == first.assets["index/production"]["release"]
    assert len(all_manifests(handbook.home.releases)) == 2


def test_a_document_that_vanished_cannot_be_retrieved(handbook: Workspace, begin: Run, run: Run, ask: Ask) -> None:
    begin()
    assert "handbook/food/canteen.md" in ask("when can I eat")
    (handbook.root / "pages/food/canteen.md").unlink()
    assert run().assets["index/production"]["promoted"] is True
    for question in [*QUESTIONS, "Lunch is served from noon until two. Vegetarian dishes are marked green on the menu."]:
        assert "handbook/food/canteen.md" not in ask(question)


@pytest.mark.slow
def test_a_touched_file_changes_nothing(handbook: Workspace, run: Run) -> None:
    first = run()
    os.utime(handbook.root / "pages/leave.md", (1, 1))
    second = run()
    assert second.assets["handbook/documents"]["items_read"] == 1
    assert second.assets["index/candidate"]["release"] == first.assets["index/candidate"]["release"]


@pytest.mark.slow
def test_moving_a_paragraph_builds_a_release_without_embedding(handbook: Workspace, run: Run) -> None:
    sections = ["# Leave\n\n" + "Holiday text. " * 40, "# Travel\n\n" + "Trains and flights. " * 40]
    handbook.pages({"both.md": "\n\n".join(sections)})
    run()
    handbook.pages({"both.md": "\n\n".join(reversed(sections))})
    second = run()
    assert second.assets["corpus/embeddings"]["embedded"] == 0
    assert second.assets["index/candidate"]["built"] is True


def test_a_source_whose_feed_is_gone_is_held_and_the_others_go_on(
    handbook: Workspace, begin: Run, run: Run, ask: Ask
) -> None:
    other = handbook.pages({"a.md": "# Gardens\n\nWater the roses in the morning.\n"}, folder="other")
    handbook.contract("garden", files_contract(other, id="garden", **LENIENT))
    begin()
    shutil.move(handbook.root / "pages", handbook.root / "elsewhere")
    handbook.pages({"a.md": "# Gardens\n\nWater the roses in the evening.\n"}, folder="other")
    second = run()
    assert second.success
    held = {f"{check.asset} {check.check}": check for check in second.failed_checks}
    assert held["handbook/documents batch_keeps_its_contract"].severity == "ERROR"
    assert "Held at its last good version (6 documents)" in held["handbook/documents batch_keeps_its_contract"].description
    assert second.assets["handbook/documents"]["held"] is True
    assert second.assets["garden/documents"]["changed"] == 1
    assert second.assets["index/production"]["promoted"] is True
    assert "handbook/leave.md" in ask("how many days of vacation do I get")
    shutil.move(handbook.root / "elsewhere", handbook.root / "pages")
    assert run().assets["handbook/documents"]["held"] is False


@pytest.mark.slow
def test_bad_files_go_to_quarantine_with_reasons_and_the_rest_is_served(handbook: Workspace, run: Run) -> None:
    pages = handbook.root / "pages"
    (pages / "empty.md").write_bytes(b"")
    (pages / "latin.md").write_bytes("Übung".encode("latin-1"))
    (pages / "broken.pdf").write_bytes(b"%PDF-1.7 this is no PDF")
    (pages / "broken.docx").write_bytes(b"PK\x03\x04 this is no document")
    ran = run()
    assert ran.success
    assert ran.assets["handbook/documents"]["documents"] == len(PAGES)
    assert ran.assets["handbook/quarantine"]["open"] == 4
    rows = [record.data for record in ran.assets["handbook/quarantine"]["refused"].records]
    assert {row["item"] for row in rows} == {"empty.md", "latin.md", "broken.pdf", "broken.docx"}
    assert any("not UTF-8" in str(row["why"]) for row in rows)


def test_two_kinds_of_source_need_two_contracts_and_no_code(handbook: Workspace, run: Run, ask: Ask) -> None:
    rows = handbook.root / "faq.jsonl"
    rows.write_text(
        '{"id": "vpn", "text": "Connect to the office network from home with the VPN client.", "team": "it"}\n'
        '{"id": "badge", "text": "Lost badges are replaced at the reception desk.", "team": "facility"}\n'
        '{"id": "bad", "text": "", "team": "it"}\n',
        encoding="utf-8",
    )
    handbook.contract("faq", table_contract(rows, "jsonl", column("team")))
    ran = run()
    assert ran.success, ran.errors
    assert ran.assets["faq/documents"]["documents"] == 2
    assert ran.assets["faq/quarantine"]["open"] == 1
    assert ask("how do I reach the office network from home")[0] == "faq/vpn"


@pytest.mark.slow
def test_removing_a_contract_removes_its_documents(handbook: Workspace, run: Run, ask: Ask) -> None:
    other = handbook.pages({"a.md": "# Gardens\n\nWater the roses in the morning.\n"}, folder="other")
    contract = handbook.contract("garden", files_contract(other, id="garden"))
    run()
    assert ask("roses")[0] == "garden/a.md"
    contract.unlink()
    handbook.policy({"questions": FLOORS}, sources_may_shrink_percent=None)  # else a person has to say so
    assert run().success
    assert not any(document.startswith("garden/") for document in ask("roses"))


def test_refreshing_one_source_leaves_the_others_alone(handbook: Workspace, begin: Run, run: Run) -> None:
    other = handbook.pages({"a.md": "# Gardens\n\nWater the roses in the morning.\n"}, folder="other")
    handbook.contract("garden", files_contract(other, id="garden", **LENIENT))
    begin()
    ran = run(source="garden")
    assert ran.success
    assert "garden/documents" in ran.assets
    assert "handbook/documents" not in ran.assets
    assert "index/production" in ran.assets


def test_without_promotion_the_candidate_waits(handbook: Workspace, run: Run) -> None:
    ran = run(promote=False)
    assert ran.success
    assert "index/production" not in ran.assets
    assert serving(handbook.home) is None


@pytest.mark.slow
def test_a_changed_chunk_size_makes_a_new_release_from_the_same_documents(handbook: Workspace, run: Run) -> None:
    from rag_pipeline.defs.run import refresh

    handbook.pages({"long.md": "# Long\n\n" + "A sentence about trains and holidays and lunch. " * 40})
    first = run()
    settings = handbook.settings.model_copy(update={"chunk_tokens": 40})
    second = refresh(settings)
    assert second.assets["handbook/documents"]["items_read"] == 0
    assert second.assets["corpus/chunks"]["chunks"] > first.assets["corpus/chunks"]["chunks"]
    assert second.assets["index/candidate"]["built"] is True


def test_what_serves_is_byte_for_byte_what_was_evaluated(handbook: Workspace, begin: Run, ask: Ask) -> None:
    begin()
    for question in QUESTIONS:
        ask(question)
    (manifest,) = all_manifests(handbook.home.releases)
    assert damaged_files(handbook.home.release(manifest.id), manifest) == ()


def test_every_chunk_is_a_span_of_its_document_and_has_its_vector(handbook: Workspace, begin: Run) -> None:
    begin()
    chunks = chunks_table(handbook.home).scan().collect()
    for row in chunks.iter_rows(named=True):
        page = PAGES[row["document_id"].removeprefix("handbook/")]
        assert page[row["start"] : row["end"]] == row["text"]
    stored = set(vectors_table(handbook.home).scan().collect()["text_hash"])
    assert set(chunks["text_hash"]) == stored


@pytest.mark.parametrize("job", ["nightly_refresh", "watch_production"])
def test_the_scheduled_jobs_run(handbook: Workspace, begin: Run, job: str) -> None:
    from rag_pipeline.defs.graph import build

    begin()
    with dg.DagsterInstance.get() as instance:
        result = build(handbook.settings).resolve_job_def(job).execute_in_process(instance=instance)
        assert result.success


@pytest.mark.slow
def test_another_model_embeds_everything_again_and_is_measured_beside_production(
    handbook: Workspace, begin: Run, run: Run, ask: Ask
) -> None:
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.defs.run import refresh
    from rag_pipeline.errors import ReleaseError
    from rag_pipeline.index.retrieve import encoder_for

    first = begin()
    other = handbook.root / "other-model"
    copy_of_model(model_of(handbook.settings).folder, other)
    config = (other / "sentence_bert_config.json").read_text()
    (other / "sentence_bert_config.json").unlink()
    (other / "sentence_bert_config.json").write_text(config.replace("256", "128"))
    switched = refresh(handbook.settings.model_copy(update={"model": str(other)}))
    assert switched.success, switched.errors
    assert switched.assets["corpus/embeddings"]["embedded"] == len(PAGES)
    assert switched.assets["index/evaluation"]["compared_with"] == first.assets["index/production"]["release"]
    assert switched.assets["index/production"]["promoted"] is True

    newest, _ = all_manifests(handbook.home.releases)
    with pytest.raises(ReleaseError, match="vectors of different models cannot be compared"):
        encoder_for(handbook.home, newest, model_of(handbook.settings))

    shutil.rmtree(other)
    back = run()
    assert back.success, back.errors
    assert back.assets["corpus/embeddings"]["embedded"] == 0, "the first model's vectors are still there"
    assert back.assets["index/evaluation"]["compared_with"] == newest.id, "production's last rankings stand in for it"
    assert back.assets["index/production"]["release"] == first.assets["index/production"]["release"]
