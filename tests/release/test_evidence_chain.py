"""The gate does not believe evidence: it must be the head of its chain, and every figure must follow from the lists."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rag_pipeline.errors import PipelineError
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import all_strays, heads_table, newest, read_lists
from rag_pipeline.evaluate.retrieved import Retrieved, checksum, packed
from rag_pipeline.files import write_json
from rag_pipeline.index.manifest import read_manifest
from rag_pipeline.settings import load_secrets, load_settings
from tests.corpus.small import NOW
from tests.release.test_promote import Office

KEY, OTHER = "a long and random key, 01", "another long and random one"
MINUTE = timedelta(minutes=1)


def folder(office: Office, release: str | None = None) -> Path:
    manifest = read_manifest(office.home / "releases" / (release or office.first))
    return office.home / "evidence" / manifest.fingerprint


def files(office: Office) -> list[Path]:
    return sorted(path for path in folder(office).glob("*.json") if not path.name.endswith(".examples.json"))


def forged(office: Office, change: Callable[[dict[str, Any]], object], lists: bool = False) -> None:
    """The newest evidence, changed, sealed anew with the function everybody has, and called as its new seal wants."""
    path = files(office)[-1]
    earlier = Evidence.model_validate_json(path.read_bytes())
    data = path.with_suffix(".parquet").read_bytes()
    if lists:
        known = read_lists(office.home, earlier)
        assert known is not None
        better = {query: ["handbook/cats.md" if query == "q0" else "handbook/dogs.md"] for query in ("q0", "q1")}
        data = packed({key: Retrieved(better, {}, {}) for key in known})
    content = json.loads(earlier.model_dump_json())
    change(content)
    sealed = Evidence.model_validate(content | {"lists": checksum(data)}).sealed()
    for old in folder(office).glob(f"{path.stem}*"):
        old.unlink()
    new = path.with_name(f"{path.name.partition('-')[0]}-{sealed.seal[:8]}.json")
    write_json(new, sealed.model_dump(mode="json"))
    new.with_suffix(".parquet").write_bytes(data)


def told_the_table(office: Office) -> None:
    """Who may write to RAG_HOME may write to the table too."""
    evidence = Evidence.model_validate_json(files(office)[-1].read_bytes())
    rows = heads_table(office.home).scan().collect().to_dicts()
    of_this = [row for row in rows if row["release_fingerprint"] == evidence.release_fingerprint]
    max(of_this, key=lambda row: row["sequence"]).update(seal=evidence.seal, file=files(office)[-1].name)
    heads_table(office.home).overwrite(pa.Table.from_pylist(rows, heads_table(office.home).schema))


def perfect(content: dict[str, Any]) -> None:
    for one in content["golden_sets"].values():
        one["values"] = {name: [1.0] * len(values) for name, values in one["values"].items()}


def worse(office: Office) -> str:
    """The candidate finds nothing of what is asked; a page about neither animal comes first."""
    office.serve(office.first)
    return office.second(
        {"cats.md": "# Felines\n\nnothing", "dogs.md": "# Hounds\n\nnothing", "x.md": "cats purr dogs bark"}
    )


def test_evidence_on_a_release_is_a_chain_whose_head_a_table_names(office: Office) -> None:
    first = office.evaluate(office.first)
    second = office.evaluate(office.first, NOW + MINUTE)
    assert [(one.sequence, one.previous) for one in (first, second)] == [(1, ""), (2, first.seal)]
    assert [path.name[-13:-5] for path in files(office)] == [first.seal[:8], second.seal[:8]]
    rows = heads_table(office.home).scan().sort("sequence").collect().to_dicts()
    assert [(row["seal"], row["previous"], row["file"]) for row in rows] == [
        (one.seal, one.previous, path.name) for one, path in zip((first, second), files(office), strict=True)
    ]
    assert office.promote(office.first, NOW + MINUTE).moved


def test_the_newest_evidence_deleted_is_missed(office: Office) -> None:
    office.evaluate(office.first)
    office.evaluate(office.first, NOW + MINUTE)
    gone = files(office)[1]
    gone.unlink()
    [reason] = office.refused(office.first, NOW + MINUTE).reasons
    assert reason == f"there is no evidence on this release that counts: the newest, {gone.name}, is gone; evaluate it again"
    office.evaluate(office.first, NOW + 2 * MINUTE)
    assert office.promote(office.first, NOW + 2 * MINUTE).moved, "what it says helps"


def test_all_evidence_deleted_and_an_earlier_copy_of_the_folder_put_back_is_missed(office: Office) -> None:
    office.evaluate(office.first)
    shutil.copytree(folder(office), office.home / "kept")
    office.evaluate(office.first, NOW + MINUTE)
    shutil.rmtree(folder(office))
    (office.home / "kept").rename(folder(office))
    assert "is gone" in office.refused(office.first, NOW + MINUTE).reasons[0]


@pytest.mark.parametrize("newest_stays", [True, False])
def test_older_evidence_copied_to_a_newer_name_is_not_taken(office: Office, newest_stays: bool) -> None:
    office.evaluate(office.first)
    office.evaluate(office.first, NOW + MINUTE)
    older, newer = files(office)
    copy = older.with_name(older.name.replace("20260301T0200", "20260301T0300"))
    shutil.copy(older, copy)
    if not newest_stays:
        newer.unlink()
    reason = office.refused(office.first, NOW + MINUTE).reasons[0]
    assert (copy.name if newest_stays else "is gone") in reason
    shutil.copy(older, newer)
    assert any("holds other evidence than its name says" in one for one in _told(office))


def _told(office: Office) -> tuple[str, ...]:
    copies = files(office)[2:]
    for path in copies:
        path.unlink()
    before = office.audit()
    with pytest.raises(PipelineError) as caught:
        office.promote(office.first, NOW + MINUTE)
    assert len(office.audit()) == len(before) + 1
    return tuple(str(caught.value).split("; "))


def test_figures_changed_and_sealed_anew_are_missed_by_the_table_and_computed_again(office: Office) -> None:
    candidate = worse(office)
    office.evaluate(candidate, NOW + MINUTE)
    office.first = candidate
    forged(office, perfect)
    reasons = office.refused(candidate, NOW + MINUTE).reasons
    assert any("it was sealed anew since; evaluate again" in reason or "is gone" in reason for reason in reasons)


def test_figures_that_do_not_follow_from_the_lists_are_refused_though_seal_and_table_fit(office: Office) -> None:
    candidate = worse(office)
    office.evaluate(candidate, NOW + MINUTE)
    office.first = candidate
    forged(office, perfect)
    told_the_table(office)
    [reason] = office.refused(candidate, NOW + MINUTE).reasons
    assert reason == "animals: MRR@10 of query q0 is 0.5 by its list and the judgments, not 1; evaluate again"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("made_by", "machine", "its owner, its makers or its primary metric"),
        ("unresolved", [{"query": "q1", "document": "handbook/dogs.md", "status": "dead"}], "other judgments than"),
        ("query_ids", ["q0", "q2"], "not measured on the queries"),
        ("judgments", 200, "not measured on the queries"),
        ("slices", {"kind": ["a", "b"]}, "its slices are not those"),
        ("unanswered", ["q1"], "other queries brought nothing"),
    ],
)
def test_whatever_follows_from_the_golden_set_must(office: Office, field: str, value: object, says: str) -> None:
    office.evaluate(office.first)
    forged(office, lambda content: content["golden_sets"]["animals"].update({field: value}))
    told_the_table(office)
    assert any(says in reason for reason in office.refused(office.first).reasons)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"approximate_recall": 0.5}, "recall of approximate search is another"),
        ({"mode": "lexical"}, "retrieves in dense mode, not in lexical"),
        ({"latency": [{"queries": 2, "times_ms": [900.0, 950.0], "p50_ms": 1.0, "p95_ms": 2.0}]}, "not what its times give"),
    ],
)
def test_whatever_follows_from_the_release_or_the_times_must(office: Office, change: dict[str, Any], says: str) -> None:
    office.evaluate(office.first)
    forged(office, lambda content: content.update(change))
    told_the_table(office)
    assert any(says in reason for reason in office.refused(office.first).reasons)


def test_production_made_to_look_bad_is_found(office: Office) -> None:
    candidate = worse(office)
    office.evaluate(candidate, NOW + MINUTE)
    office.first = candidate

    def spoil(content: dict[str, Any]) -> None:
        animals = content["golden_sets"]["animals"]
        animals["production"] = {name: [0.0] * len(values) for name, values in animals["production"].items()}
        animals["overlap_at_10"] = 1.0

    forged(office, spoil)
    told_the_table(office)
    assert any(
        "production's " in one and "of query q0 is 1 by its list" in one
        for one in office.refused(candidate, NOW + MINUTE).reasons
    )


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
    shutil.rmtree(office.home / "lake" / "evidence")
    assert newest(office.home, evidence.release_fingerprint) is None
    [reason] = office.refused(office.first).reasons
    assert reason.endswith(f"{path.name} is of an older pipeline; evaluate it again")
    again = office.evaluate(office.first)
    assert again.sequence == 1 and office.promote(office.first).moved


def test_the_table_of_evidence_lost_is_no_way_to_drop_what_it_named(office: Office) -> None:
    office.evaluate(office.first)
    office.evaluate(office.first, NOW + MINUTE)
    files(office)[1].unlink()
    shutil.rmtree(office.home / "lake" / "evidence")
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
