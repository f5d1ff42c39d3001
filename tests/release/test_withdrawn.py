"""Documents that are withdrawn: hidden at once, whichever release serves, by whom and why, and restored."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import MODES
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.release import withdrawn
from rag_pipeline.release.leases import Leases
from rag_pipeline.release.withdrawn import (
    ListUnreadable,
    read_withdrawn,
    restore,
    settle,
    withdraw,
    withdrawals_table,
)
from tests.support.labelled import Page, labelled_release
from tests.support.replicas import point
from tests.support.small_releases import bag_of_words

AT = datetime(2026, 3, 2, tzinfo=UTC)
PAGES: dict[str, Page] = {
    "cats.md": ("# Cats\n\nCats purr, and cats sleep.", None),
    "dogs.md": ("# Dogs\n\nDogs bark at cats.", None),
    "pay.md": ("# Pay\n\nSalaries of cats rise in May.", "hr"),
}


def shown(leases: Leases, reads: tuple[str, ...] = ("all",)) -> dict[str, set[str]]:
    query = Query("cats", _vector())
    with leases.lease() as leased:
        reader = leased.reader(reads)
        return {mode: {hit.document_id.split("/")[1] for hit in reader.search(query, 10, mode)} for mode in MODES}


def in_each(documents: set[str]) -> dict[str, set[str]]:
    return dict.fromkeys(MODES, documents)


def _vector() -> Vectors:
    return bag_of_words("cats")


def test_a_document_is_hidden_from_the_next_question_on_also_after_a_rollback_and_restored(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = labelled_release(home, PAGES)
    second = labelled_release(home, PAGES | {"owls.md": ("# Owls\n\nOwls see cats.", None)})
    point(home, second.id)
    with Leases(home) as leases:
        assert shown(leases) == in_each({"cats.md", "dogs.md", "pay.md", "owls.md"})
        with leases.lease() as held:
            before = held.reader(["public"]).search(Query("cats", _vector()), 1, "dense")[0]
            withdraw(home, "open/cats.md", by="ana", why="it is wrong", now=AT)
            assert held.reader(["public"]).read(before.chunk_id) == [], "a lease that is out hides it too"
        assert shown(leases) == in_each({"dogs.md", "pay.md", "owls.md"})
        with leases.lease() as leased:
            assert leased.search(Query("cats", _vector()), 2)[1].rank == 2, "as many as asked for"
        point(home, first.id)
        while leases.state.serving != first.id:
            pass
        assert shown(leases) == in_each({"dogs.md", "pay.md"})
        restore(home, "open/cats.md", by="ben", why="it was right", now=AT)
        assert shown(leases, ("public",)) == in_each({"cats.md", "dogs.md"})
        home.withdrawn.write_text("rot")
        with leases.lease() as leased, pytest.raises(ListUnreadable, match="nothing is answered"):
            leased.search(Query("cats", _vector()), 2)
    rows = withdrawals_table(home).scan().collect().sort("number")
    assert rows.select("document_id", "action", "by", "why").rows() == [
        ("open/cats.md", "withdrawn", "ana", "it is wrong"),
        ("open/cats.md", "restored", "ben", "it was right"),
    ]
    with open_release(home, first.id) as opened:
        assert opened.search(_vector(), 1)[0].document_id == "open/cats.md", "an operator sees all that is held"


def test_what_cannot_be_withdrawn_is_named_and_a_broken_file_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    labelled_release(home, PAGES)
    with pytest.raises(PipelineError, match=r"no kept release holds a document 'open/cat.md'; did you mean 'open/cats.md'"):
        withdraw(home, "open/cat.md", by="ana", why="x", now=AT)
    with pytest.raises(PipelineError, match="--by and --reason"):
        withdraw(home, "open/cats.md", by="ana", why=" ", now=AT)
    with pytest.raises(PipelineError, match="is not withdrawn"):
        restore(home, "open/cats.md", by="ana", why="x", now=AT)
    assert read_withdrawn(home) == () and not home.withdrawn.exists()
    with monkeypatch.context() as dying:
        dying.setattr(withdrawn, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            withdraw(home, "open/cats.md", by="ana", why="x", now=AT)
    assert [one.document_id for one in settle(home)] == ["open/cats.md"] == [one.document_id for one in read_withdrawn(home)]
    with pytest.raises(PipelineError, match="is withdrawn since 2026-03-02"):
        withdraw(home, "open/cats.md", by="ana", why="x", now=AT)
    home.withdrawn.write_text("rot")
    with pytest.raises(ListUnreadable):
        read_withdrawn(home)
    assert settle(home) == read_withdrawn(home)


@pytest.mark.parametrize("restored", [False, True])
def test_a_file_that_is_gone_hides_nothing_less_and_is_written_again(tmp_path: Path, restored: bool) -> None:
    """A copy of a home may lack it; then nobody may take it for a home where nothing was ever withdrawn."""
    home = Home(tmp_path)
    point(home, labelled_release(home, PAGES).id)
    withdraw(home, "open/cats.md", by="ana", why="x", now=AT)
    if restored:
        restore(home, "open/cats.md", by="ana", why="y", now=AT)
    home.withdrawn.unlink()
    with pytest.raises(
        ListUnreadable, match=r"withdrawn.json is gone, so nothing is answered; `rag withdraw` writes it again"
    ):
        read_withdrawn(home)
    with Leases(home) as leases, leases.lease() as leased:
        with pytest.raises(ListUnreadable, match="is gone"):
            leased.search(Query("cats", _vector()), 2)
        assert [one.document_id for one in settle(home)] == ([] if restored else ["open/cats.md"])
        assert ("open/cats.md" in {hit.document_id for hit in leased.search(Query("cats", _vector()), 9)}) == restored
