"""Evidence whose lists, seals or table were changed, lost or left by an older pipeline."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evidence_store import all_strays, newest
from rag_pipeline.files import write_json
from rag_pipeline.settings import load_secrets, load_settings
from tests.support.forged_evidence import MINUTE, files, folder, forged, perfect, told_the_table, worse
from tests.support.office import Office
from tests.support.small_releases import NOW

KEY, OTHER = "a long and random key, 01", "another long and random one"


def test_lists_that_were_changed_or_are_gone_are_refused(office: Office) -> None:
    office.evaluate(office.first)
    lists = files(office)[0].with_suffix(".parquet")
    whole = lists.read_bytes()
    for changed in (whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        lists.write_bytes(changed)
        with pytest.raises(PipelineError, match="lists the figures were computed from are gone or were changed"):
            office.promote(office.first)
    lists.unlink()
    with pytest.raises(PipelineError, match="lists the figures were computed from are gone or were changed"):
        office.promote(office.first)
    assert newest(office.home, folder(office).name) is not None
    lists.write_bytes(whole)
    assert office.promote(office.first).moved


def test_lists_changed_too_and_sealed_anew_are_missed_by_the_table_and_with_a_key_by_the_seal(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = worse(office)
    monkeypatch.setenv("RAG_SEAL_KEY", KEY)
    office.evaluate(candidate, NOW + MINUTE)
    office.first = candidate
    monkeypatch.delenv("RAG_SEAL_KEY")
    forged(office, perfect, lists=True)  # by somebody who does not hold the key
    monkeypatch.setenv("RAG_SEAL_KEY", KEY)
    with pytest.raises(PipelineError, match="is gone; evaluate it again"):
        office.promote(candidate, NOW + MINUTE)
    told_the_table(office)
    with pytest.raises(PipelineError, match="sealed without RAG_SEAL_KEY, which is set here; evaluate again"):
        office.promote(candidate, NOW + MINUTE)


def test_a_key_makes_older_seals_and_those_of_another_key_worthless(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = office.evaluate(office.first)
    assert plain.key == ""
    monkeypatch.setenv("RAG_SEAL_KEY", KEY)
    [reason] = office.refused(office.first).reasons
    assert reason == "the evidence was sealed without RAG_SEAL_KEY, which is set here; evaluate again"
    keyed = office.evaluate(office.first, NOW + MINUTE)
    assert keyed.intact and keyed.key and keyed.seal != plain.seal
    for text in folder(office).iterdir():
        assert KEY.encode() not in text.read_bytes()
    for other, says in ((OTHER, "with another RAG_SEAL_KEY than the one set here"), ("", "which is not set here; set it")):
        monkeypatch.setenv("RAG_SEAL_KEY", other)
        with pytest.raises(PipelineError, match=says):
            office.promote(office.first, NOW + MINUTE)
    monkeypatch.setenv("RAG_SEAL_KEY", KEY)
    assert office.promote(office.first, NOW + MINUTE).moved
    edited = keyed.model_copy(update={"run_id": "another"})
    assert edited.seal_problem(KEY) == "the evidence was changed after it was written: its seal does not match"


def test_a_key_that_can_be_guessed_is_refused_and_contracts_cannot_name_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_SEAL_KEY", "short")
    with pytest.raises(PipelineError, match="RAG_SEAL_KEY has fewer than 16 characters"):
        load_settings()
    monkeypatch.setenv("RAG_SEAL_KEY", KEY)
    assert KEY not in load_secrets().environment.values()
    assert KEY not in repr(load_settings())


def test_a_stray_file_is_ignored_and_named(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    office.evaluate(office.first)
    for name in (".DS_Store", "notes.json", "backup~", "20260301T020000.000000-0123abcd.json~", "20269901T020000.0-x.json"):
        (folder(office) / name).write_text("{}", encoding="utf-8")
    (folder(office) / "99999999T999999.999999-00000000.json").write_text("{}", encoding="utf-8")
    (folder(office) / "20260301T090000.000000-0123abcd.json").mkdir()
    caplog.clear()
    assert office.promote(office.first).moved
    for name in (".DS_Store", "notes.json", "backup~", "20260301T090000.000000-0123abcd.json"):
        assert any(name in record.getMessage() and "ignored" in record.getMessage() for record in caplog.records)
    assert len(all_strays(office.home)) == 7
    again = office.evaluate(office.first, NOW + MINUTE)
    assert again.sequence == 2 and newest(office.home, again.release_fingerprint) == again


def test_a_home_of_the_pipeline_before_is_evaluated_again_and_goes_on(office: Office) -> None:
    """Its evidence has format 3 and no table knows it."""
    evidence = office.evaluate(office.first)
    [path] = files(office)
    old = json.loads(path.read_text(encoding="utf-8")) | {"format": 3}
    for name in ("lists", "kept_at", "sequence", "previous", "key", "runtime", "processor"):
        old.pop(name)
    write_json(path, old)
    path.with_suffix(".parquet").unlink()
    shutil.rmtree(office.home.evidence_heads)
    assert newest(office.home, evidence.release_fingerprint) is None
    [reason] = office.refused(office.first).reasons
    assert reason.endswith(f"{path.name} is of an older pipeline; evaluate it again")
    again = office.evaluate(office.first)
    assert again.sequence == 1 and office.promote(office.first).moved


def test_the_table_of_evidence_lost_is_no_way_to_drop_what_it_named(office: Office) -> None:
    office.evaluate(office.first)
    office.evaluate(office.first, NOW + MINUTE)
    files(office)[1].unlink()
    shutil.rmtree(office.home.evidence_heads)
    [reason] = office.refused(office.first, NOW + MINUTE).reasons
    assert "the table of evidence does not know" in reason


def test_evidence_killed_before_its_file_was_written_counts_as_none(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.evaluate(office.first)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rag_pipeline.evaluate.evidence_store.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        office.evaluate(office.first, NOW + MINUTE)
    monkeypatch.undo()
    assert "is gone; evaluate it again" in office.refused(office.first, NOW + MINUTE).reasons[0]
    assert office.evaluate(office.first, NOW + 2 * MINUTE).sequence == 3
    assert office.promote(office.first, NOW + 2 * MINUTE).moved


def test_names_follow_each_other_whatever_the_clock_says(office: Office) -> None:
    kept = [office.evaluate(office.first, at) for at in (NOW, NOW - timedelta(days=30), datetime(2020, 1, 1, tzinfo=UTC))]
    assert [one.sequence for one in kept] == [1, 2, 3]
    assert newest(office.home, folder(office).name) == kept[-1]
