"""Word documents that unpack to more than they should: refused before anything is unpacked into memory."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from rag_pipeline.errors import Unreadable
from rag_pipeline.extraction.kinds import DOCX
from rag_pipeline.extraction.parsing import parse
from rag_pipeline.extraction.zip_bombs import MAX_GROWTH_BYTES, refuse_bomb
from tests.support.folders import read_bytes
from tests.support.made_documents import changed
from tests.support.zip_packages import saying, with_text

MEGABYTE = 1024 * 1024


def test_a_document_that_unpacks_to_far_more_than_it_is_is_unreadable(tmp_path: Path) -> None:
    bomb = with_text(MAX_GROWTH_BYTES + 2 * MEGABYTE)
    assert len(bomb) < MEGABYTE
    with pytest.raises(Unreadable, match=r"unpacks to 10\d,\d{3},\d{3} bytes, from \d+,\d{3}; split it"):
        read_bytes(tmp_path, "bomb.docx", bomb)


def test_a_document_that_hides_its_size_is_unreadable_and_takes_no_memory() -> None:
    bomb = saying(with_text(MAX_GROWTH_BYTES + 2 * MEGABYTE), "word/document.xml", 2_000)
    tracemalloc.start()
    with pytest.raises(Unreadable, match="unpacks to more than"):
        refuse_bomb(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * MEGABYTE


def test_a_document_that_says_a_wrong_size_is_unreadable() -> None:
    with pytest.raises(Unreadable, match=r"unpacks to \d+,\d+ bytes and says 2,000; is it corrupt\?"):
        parse(saying(with_text(100_000), "word/document.xml", 2_000), DOCX)


def test_many_parts_that_are_small_alone_are_counted_together() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for number in range(11):
            target.writestr(f"word/part{number}.xml", b"a" * (10 * MEGABYTE))
    with pytest.raises(Unreadable, match="unpacks to 115,343,360 bytes"):
        refuse_bomb(made.getvalue())


def test_a_document_packed_as_no_word_processor_packs_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="is packed in a way that no word processor packs"):
        parse(with_text(100, zipfile.ZIP_BZIP2), DOCX)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_honest_document_is_read(compression: int) -> None:
    assert "a" * 100_000 in parse(with_text(100_000, compression), DOCX)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_document_that_is_cut_off_or_damaged_is_unreadable(share: float) -> None:
    whole = with_text(100_000, zipfile.ZIP_STORED)
    with pytest.raises(Unreadable):
        parse(whole[: int(len(whole) * share)], DOCX)


def test_a_damaged_part_of_a_document_is_unreadable() -> None:
    content = bytearray(with_text(100_000))
    at = content.index(b"word/document.xml") + 60
    content[at : at + 40] = bytes(40)
    with pytest.raises(Unreadable):
        parse(bytes(content), DOCX)


def test_an_empty_part_is_no_damage() -> None:
    """LibreOffice puts one into every text."""
    with_one = changed(with_text(100), "word/empty.xml", b"")
    refuse_bomb(with_one)
    assert "aaa" in parse(with_one, DOCX)


def test_a_pictures_size_does_not_count() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
        target.writestr("word/media/photo.png", bytes(MAX_GROWTH_BYTES + 5 * MEGABYTE))
    refuse_bomb(made.getvalue())
