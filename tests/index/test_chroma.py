"""The one place that talks to Chroma."""

import traceback
from pathlib import Path

import pytest
from polars.exceptions import PanicException

from rag_pipeline.errors import ReleaseError
from rag_pipeline.index import chroma


def test_a_panic_inside_chroma_is_told_as_an_error_and_the_folder_can_be_opened_again(tmp_path: Path) -> None:
    """Its pool of connections panics where forty processes wait. Polars' panic is of the same kind, and can be had."""

    def breaks_off() -> None:
        with chroma.client(tmp_path / "released") as client:
            client.create_collection(chroma.COLLECTION, embedding_function=None)
            raise PanicException('byte index 3 is not a char boundary of "planted, private"')

    with pytest.raises(ReleaseError, match=r"Chroma broke off in .*released; .*run it again") as caught:
        breaks_off()
    assert "planted" not in "".join(traceback.format_exception(caught.value)), "as Dagster writes it into its events"
    with chroma.client(tmp_path / "released") as client:
        assert client.get_collection(chroma.COLLECTION, embedding_function=None).count() == 0


@pytest.mark.parametrize("other", [KeyboardInterrupt(), SystemExit(3), ValueError("of the caller")])
def test_what_else_ends_the_block_passes_as_it_is(tmp_path: Path, other: BaseException) -> None:
    with pytest.raises(type(other)) as raised, chroma.client(tmp_path):
        raise other
    assert raised.value is other
