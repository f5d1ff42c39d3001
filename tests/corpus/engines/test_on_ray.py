"""What the driver makes of the answers of workers. Here a real worker answers in this process; test_ray.py has real Ray."""

import pytest

from rag_pipeline.corpus.engines import base
from rag_pipeline.corpus.engines.ray_process import RayProcess
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from tests.support.ray_cluster import cluster, embed, fragments, store_texts, stored
from tests.support.workers_here import Here, here

__all__ = ["here"]


def test_every_text_has_its_vector_and_the_table_a_commit_for_all_that_came_together(home: Home, here: Here) -> None:
    hashes = store_texts(home, 25)
    here(lambda answers: answers)
    report = embed(home, cluster())
    assert (report.texts, report.embedded) == (25, 25)
    assert stored(home) == sorted(hashes)
    assert vectors_table(home).version() == 1, "the table was made, then three fragments were committed together"
    assert not (home.scratch / "embed-parts").exists()


def test_a_commit_comes_as_often_as_it_should(home: Home, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "COMMIT_EVERY_S", 0.0)
    store_texts(home, 25)
    here(lambda answers: answers)
    embed(home, cluster())
    assert vectors_table(home).version() == 3


def test_an_answer_that_comes_twice_counts_once(home: Home, here: Here) -> None:
    hashes = store_texts(home, 25)
    here(lambda answers: [answers[0], answers[0] | {"path": "model=x/another.parquet"}, *answers[1:]])
    embed(home, cluster())
    assert stored(home) == sorted(hashes)


def test_a_worker_s_refusal_ends_the_run_and_what_came_is_kept(home: Home, here: Here) -> None:
    hashes = store_texts(home, 25)
    here(lambda answers: [answers[0], {"part": "part-000001.parquet", "error": "part-000001.parquet was not embedded: NaN"}])
    with pytest.raises(PipelineError, match=r"part-000001.parquet was not embedded: NaN"):
        embed(home, cluster())
    assert len(stored(home)) == 10
    here(lambda answers: answers)
    assert embed(home, cluster()).embedded == 15
    assert stored(home) == sorted(hashes)


def test_silence_is_given_up_and_what_came_is_kept(home: Home, here: Here) -> None:
    store_texts(home, 25)
    here(lambda answers: [{"cluster": "2 workers"}, answers[1]])
    with pytest.raises(PipelineError) as refused:
        embed(home, cluster(stall_s=0.05))
    assert "no worker finished a part for 0.05 s (RAG_EMBED_STALL_S), with 2 workers; 2 parts are left" in str(refused.value)
    assert "(part-000000.parquet, part-000002.parquet)" in str(refused.value)
    assert (len(stored(home)), fragments(home)) == (10, 3), "what nobody committed nobody reads"


def test_a_fragment_that_is_not_on_this_machine_is_no_fragment(home: Home, here: Here) -> None:
    store_texts(home, 5)
    here(lambda answers: [answers[0] | {"path": "model=x/elsewhere.parquet"}])
    with pytest.raises(PipelineError, match="RAG_HOME must lie where every node of the cluster sees it"):
        embed(home, cluster())
    assert stored(home) == []


def test_what_was_embedded_is_read_back(home: Home, here: Here) -> None:
    """A worker that says it did what it did not is found, although all its answers are right in themselves."""
    store_texts(home, 20)
    here(lambda answers: [answers[0], answers[1] | {key: answers[0][key] for key in ("path", "rows", "size_bytes")}])
    with pytest.raises(PipelineError, match="of 20 texts that were embedded on Ray, 10 have no vector"):
        embed(home, cluster())


def test_a_process_that_dies_is_told_with_its_last_words() -> None:
    ray = RayProcess({})  # it dies of being told nothing, with Ray or without
    with (
        ray,
        pytest.raises(PipelineError, match=r"Ray ended before all was embedded, with no cluster yet: exit code 1, .*Error"),
    ):
        ray.next(120)
