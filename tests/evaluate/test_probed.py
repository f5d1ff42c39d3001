"""Probes of a golden set: how they are read, what is measured of them, and that it is computed again."""

import json
from pathlib import Path

import pytest

from rag_pipeline.errors import GoldenSetError
from rag_pipeline.evaluate.evidence_store import read_lists
from rag_pipeline.evaluate.recompute import contradictions
from rag_pipeline.evaluate.retrieved import Retrieved, packed, unpacked
from rag_pipeline.golden.read import read_golden_set, read_golden_sets
from rag_pipeline.home import CHUNKS_FILE
from rag_pipeline.index.manifest import read_manifest
from tests.conftest import Workspace
from tests.support.evaluated_home import LATER, PAGES, Desk
from tests.support.release_damage import flip_a_bit
from tests.support.small_releases import release_of

ASKED = {"p1": "purr softly", "p2": "bark loudly", "p3": "swim"}


def write_probes(folder: Path, rows: list[dict[str, object]]) -> Path:
    file = folder / "probes.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def probed(desk: Desk) -> Desk:
    rows: list[dict[str, object]] = [{"_id": one, "text": text, "metadata": {"kind": "x"}} for one, text in ASKED.items()]
    write_probes(desk.workspace.settings.evals / "animals", rows)
    return desk


def swapped(desk: Desk) -> str:
    """Another release, in which cats and dogs have changed places."""
    pages = PAGES | {"cats.md": PAGES["dogs.md"], "dogs.md": PAGES["cats.md"]}
    return release_of(desk.home, pages, now=LATER).manifest.id


def test_a_set_without_probes_keeps_the_fingerprint_it_had_and_one_with_them_has_another(workspace: Workspace) -> None:
    folder = workspace.golden("docs", {"one": ["hr/a"]})
    before = read_golden_set(folder)
    assert before.fingerprint == before.judged_fingerprint and before.probes == {}
    write_probes(folder, [{"_id": "p", "text": "two"}])
    first = read_golden_set(folder)
    assert first.fingerprint != before.fingerprint and first.judged_fingerprint == before.fingerprint
    write_probes(folder, [{"_id": "p", "text": "three"}])
    assert read_golden_set(folder).fingerprint not in (first.fingerprint, before.fingerprint)
    assert read_golden_set(folder, probes=False).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"_id": "p"}', "a query needs `_id` and a `text` that is not blank"),
        ('{"_id": "", "text": "x"}', "a query needs `_id`"),
        ('{"_id": "first", "text": "x"}', "query 'first' is given twice; keep one"),
        ("half a li", "not JSON"),
        ('{"_id": "p", "text": "x", "metadata": []}', "a query needs"),
        ("[1]", "a query is a JSON object, found list"),
        ('{"_id": "p", "text": "x", "metadata": [1]}', "metadata: expected an object, found list"),
    ],
)
def test_probes_are_read_as_queries_are_with_file_and_line(workspace: Workspace, line: str, says: str) -> None:
    folder = workspace.golden("docs", {"one": ["hr/a"]})
    file = folder / "probes.jsonl"
    file.write_text(f'{{"_id": "first", "text": "y"}}\n\n{line}\n', encoding="utf-8")
    if says == "a query needs" and "metadata" in line:
        assert read_golden_set(folder).probes == {"first": "y", "p": "x"}, "no metadata at all"
        return
    with pytest.raises(GoldenSetError) as error:
        read_golden_set(folder)
    assert str(error.value).startswith(f"{file}:3: ") and says in str(error.value)


def test_a_probe_may_have_the_id_of_a_query_but_not_its_text(workspace: Workspace) -> None:
    folder = workspace.golden("docs", {"How many days?": ["hr/a"]})
    write_probes(folder, [{"_id": "q0", "text": "other"}, {"_id": "p", "text": "how many DAYS"}])
    golden = read_golden_set(folder)
    assert (golden.probes, golden.asked_again) == ({"q0": "other"}, ("p",))


def test_private_data_in_probes_is_refused_or_masked_as_in_queries(workspace: Workspace) -> None:
    folder = workspace.golden("docs", {"one": ["hr/a"]}, piiPolicy="refuse")
    write_probes(folder, [{"_id": "p", "text": "what did anna@example.com write"}])
    with pytest.raises(GoldenSetError, match=r"probes.jsonl:1: text: holds private data"):
        read_golden_set(folder)
    workspace.golden("docs", {"one": ["hr/a"]}, piiPolicy="scan-and-mask")
    [text] = read_golden_set(folder).probes.values()
    assert "anna" not in text and "<EMAIL" in text


def test_both_sides_are_asked_and_what_moved_is_expected_to_cost(probed: Desk) -> None:
    second = swapped(probed)
    evidence = probed.evaluate(second, production=probed.release)
    found = evidence.golden_sets["animals"].probes
    assert found is not None and found.problem == ""
    assert found.ids == list(ASKED) and found.slices == {"kind": ["x"] * 3}
    assert {"nDCG@10", "recall@10", "MRR@10"} <= found.losses.keys() and "judged@10" not in found.losses
    assert all(0 <= loss <= 1 for losses in found.losses.values() for loss in losses)
    assert found.losses["nDCG@10"][0] > 0 < found.losses["nDCG@10"][1], "cats and dogs do not come first any more"
    assert found.losses["nDCG@10"][2] == 0 and set(found.losses["recall@10"]) == {0.0}, "nothing went out of sight"
    lists = read_lists(probed.home, evidence)
    assert lists is not None
    for side in ("candidate", "production"):
        assert lists["animals", side].probes.keys() == ASKED.keys()
    assert evidence.golden_sets["animals"].query_ids == ["q0", "q1", "q2"], "no probe is judged"


def test_an_unchanged_twin_and_new_pages_alone_cost_nothing(probed: Desk) -> None:
    more = {f"a{number}.md": PAGES["cats.md"] for number in range(15)}
    grown = release_of(probed.home, PAGES | more, now=LATER).manifest.id
    found = probed.evaluate(grown, production=probed.release).golden_sets["animals"]
    assert found.probes is not None and set(found.probes.losses["nDCG@10"]) == {0.0}
    assert found.condensed["nDCG@10"] == found.production["nDCG@10"] if found.production else False
    assert min(found.values["nDCG@10"]) == 0.0, "a page of theirs stands before the judged one, at every place"


def test_nothing_is_expected_where_production_is_damaged_and_it_says_so(probed: Desk) -> None:
    probed.evaluate()
    second = probed.second()
    flip_a_bit(probed.home.release(probed.release) / CHUNKS_FILE)
    found = probed.evaluate(second, production=probed.release).golden_sets["animals"].probes
    assert found is not None and found.losses == {}
    assert found.problem.startswith("production is damaged: ")


def test_expected_losses_are_computed_again_and_an_edited_one_is_found(probed: Desk) -> None:
    second = swapped(probed)
    evidence = probed.evaluate(second, production=probed.release)
    manifest = read_manifest(probed.home.release(second))
    sets = read_golden_sets(probed.workspace.settings.evals)
    assert contradictions(probed.home, evidence, sets, manifest) == ()
    one = evidence.golden_sets["animals"]
    assert one.probes is not None
    for change in ({"losses": {name: [0.0] * 3 for name in one.probes.losses}}, {"chances": [0.1] * 10}):
        edited = one.model_copy(update={"probes": one.probes.model_copy(update=change)})
        [says] = contradictions(
            probed.home, evidence.model_copy(update={"golden_sets": {"animals": edited}}), sets, manifest
        )
        assert "what its probes are expected to lose is not what their lists" in says
    file = next(probed.home.evidence_on(manifest.fingerprint).glob("*.parquet"))
    lists = unpacked(file.read_bytes())
    fewer = {key: Retrieved(kept.documents, kept.spans, kept.wanted) for key, kept in lists.items()}
    data = packed(fewer)
    assert all(kept.probes == {} for kept in unpacked(data).values())


def test_lists_of_a_time_before_probes_are_read(probed: Desk) -> None:
    import io

    import polars as pl

    lists = {("animals", "candidate"): Retrieved({"q0": ["a", "b"]}, {}, {}, {"p": ["b"]})}
    old = io.BytesIO()
    pl.read_parquet(packed(lists)).filter(~pl.col("probe")).drop("probe").write_parquet(old)  # type: ignore[arg-type]
    assert unpacked(packed(lists)) == lists  # type: ignore[arg-type]
    assert unpacked(old.getvalue()) == {("animals", "candidate"): Retrieved({"q0": ["a", "b"]}, {}, {})}
