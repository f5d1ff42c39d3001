"""What is left of a document in the files below a folder: its text, its vector, its words.

Looked for in the bytes of every file (a SQLite file's free pages and slack, the slots of an HNSW graph, whatever a process
left behind), in the columns of every Parquet file, in the postings of Chroma's full-text index, whose trigrams with their
places spell a text out again, and among the terms of every tantivy index. Says where; a test says what is allowed.
"""

import json
import re
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tantivy import Index

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.index.lexical import analyzer_of

_SAME = 1e-5
"""Difference below which two numbers are taken for the same: Chroma makes a vector of length 1 in its own way."""


@dataclass(frozen=True)
class Found:
    """One needle in one file. `how`: text | vector | term | postings."""

    file: str
    how: str
    needle: str


@dataclass
class Needles:
    """What was planted. `texts` and `words` stand nowhere else."""

    texts: list[str]
    words: list[str]
    vectors: Vectors | None = None
    """One row a vector, as stored; Chroma makes them of length 1, which is looked for too."""

    def bytes_of_texts(self) -> dict[bytes, str]:
        """Spelling -> text or word: as it is, as JSON writes it (letters beyond ASCII escaped or not), in UTF-16.

        Words too, for the beginning of a text is kept as the least or greatest value of a column.
        """
        found: dict[bytes, str] = {}
        for text in (*self.texts, *self.words):
            for spelt in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text.lower()):
                found |= {spelt.encode(): text, spelt.encode("utf-16-le"): text}
        return found

    def numbers(self) -> dict[str, list[Vectors]]:
        """Name of a vector -> the ways it may be written."""
        rows = np.empty((0, 0)) if self.vectors is None else np.asarray(self.vectors, dtype=np.float32)
        return {f"vector {place}": [row, row / np.linalg.norm(row)] for place, row in enumerate(rows)}


def residue(folder: Path, needles: Needles, language: str = "english", *, apart: Iterable[str] = ()) -> list[Found]:
    """Every needle that is left in a file below `folder`. `apart`: patterns of relative paths that are not looked at."""
    texts, vectors = needles.bytes_of_texts(), needles.numbers()
    found: list[Found] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        name = path.relative_to(folder).as_posix()
        if any(re.search(pattern, name) for pattern in apart):
            continue
        for content in _contents(path):
            found += [Found(name, "text", text) for spelt, text in texts.items() if spelt in content]
        for numbers in _numbers(path):
            found += [
                Found(name, "vector", one) for one, ways in vectors.items() if any(_stands(way, numbers) for way in ways)
            ]
        if path.name.endswith(".sqlite3"):
            found += [Found(name, "postings", word) for word in _spelt_by_postings(path, needles.words)]
        if path.name == "meta.json" and path.parent.name == "lexical":
            found += [Found(name, "term", word) for word in _terms_left(path.parent, needles, language)]
    return list(dict.fromkeys(found))


def told(found: Iterable[Found]) -> dict[str, int]:
    """How many needles of each kind are left, by kind and name of file with what differs from run to run taken out."""
    counts: dict[str, int] = {}
    for one in found:
        name = re.sub(r"[0-9a-f]{32}|[0-9a-f-]{36}|\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?", "*", one.file)
        counts[f"{one.how} in {name}"] = counts.get(f"{one.how} in {name}", 0) + 1
    return counts


def _contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what they hold when they are decompressed."""
    raw = path.read_bytes()
    yield raw
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:  # dictionaries and compressed pages, decoded
            with suppress(Exception):
                yield "\0".join(map(str, column.to_pylist())).encode("utf-8", "surrogatepass")
    if path.suffix == ".gz" or raw[:2] == b"\x1f\x8b":
        with suppress(zlib.error):
            yield zlib.decompress(raw, 47)
    if path.suffix == ".store":
        yield b"\0".join(_lz4_blocks(raw))


def _numbers(path: Path) -> Iterator[Vectors]:
    """A file's bytes as float32, begun at each of four places; and the vectors of a Parquet file, decoded."""
    raw = path.read_bytes()
    for shift in range(4):
        yield np.frombuffer(raw[shift : shift + (len(raw) - shift) // 4 * 4], dtype="<f4")
    if path.suffix == ".parquet" and "vector" in (table := pq.read_table(path)).column_names:
        yield np.asarray(table["vector"].combine_chunks().flatten(), dtype=np.float32)


def _stands(vector: Vectors, numbers: Vectors) -> bool:
    """Whether a vector stands among numbers: looked for by its greatest, then held against the whole of it."""
    greatest = int(np.argmax(np.abs(vector)))
    with np.errstate(invalid="ignore"):
        places = np.flatnonzero(np.abs(numbers - vector[greatest]) < _SAME) - greatest
    inside = places[(places >= 0) & (places + len(vector) <= len(numbers))]
    return any(np.allclose(numbers[place : place + len(vector)], vector, rtol=0, atol=_SAME) for place in inside)


def _lz4_blocks(raw: bytes) -> Iterator[bytes]:
    """Blocks of a tantivy document store, decompressed: a length in front, then LZ4's own form. Stops where it is none."""
    place = 0
    while place + 4 < len(raw):
        try:
            block, read = _lz4(raw, place + 4, int.from_bytes(raw[place : place + 4], "little"))
        except (IndexError, ValueError):
            return
        yield block
        place = read


def _lz4(raw: bytes, place: int, size: int) -> tuple[bytes, int]:
    if not 0 < size < 1 << 24:
        raise ValueError("no block")
    out = bytearray()
    while True:
        token = raw[place]
        literals, place = _length(raw, place + 1, token >> 4)
        out += raw[place : place + literals]
        place += literals
        if len(out) >= size:
            if len(out) > size:
                raise ValueError("no block")
            return bytes(out), place
        back = int.from_bytes(raw[place : place + 2], "little")
        match, place = _length(raw, place + 2, token & 15)
        if not 0 < back <= len(out):
            raise ValueError("no block")
        for _ in range(match + 4):
            out.append(out[-back])


def _length(raw: bytes, place: int, nibble: int) -> tuple[int, int]:
    length = nibble
    while nibble == 15:
        more, place = raw[place], place + 1
        length += more
        if more != 255:
            break
    return length, place


def _spelt_by_postings(path: Path, words: Iterable[str]) -> Iterator[str]:
    """Words all of whose trigrams a full-text index (FTS5) still lists, those of deleted rows included."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        names = {name for (name,) in database.execute("select name from sqlite_master")}
        if "embedding_fulltext_search_data" not in names:
            return
        terms = set()
        for key, block in database.execute("select id, block from embedding_fulltext_search_data where id > 10"):
            if not (key >> 31) & 0x3F:  # a leaf, and not what leads to one
                terms |= _terms_of_leaf(block)
    for word in words:
        trigrams = {word.lower()[start : start + 3].encode() for start in range(len(word) - 2)}
        if trigrams <= terms:
            yield word


def _terms_of_leaf(block: bytes) -> set[bytes]:
    """Terms of one leaf page of FTS5: a footer of varints says where each begins."""
    end = int.from_bytes(block[2:4], "big")
    place, starts, at = end, [], 0
    while place < len(block):
        step, place = _varint(block, place)
        at += step
        starts.append(at)
    terms, last = set(), b""
    for number, start in enumerate(starts):
        shared, start = _varint(block, start) if number else (0, start)
        size, start = _varint(block, start)
        last = last[:shared] + block[start : start + size]
        terms.add(last[1:])  # the first byte says which of the index's prefixes it belongs to
    return terms


def _varint(block: bytes, place: int) -> tuple[int, int]:
    value = 0
    for step in range(9):
        byte = block[place + step]
        value = value << 7 | byte & 127
        if byte < 128:
            return value, place + step + 1
    return value, place + 9


def _terms_left(folder: Path, needles: Needles, language: str) -> Iterator[str]:
    """Terms that the dictionaries of a tantivy index know, whether the records that had them live or not."""
    analyzer = analyzer_of(language)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as copy:  # tantivy may still write as it closes
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        index = Index.open(copy)
        index.config_reader("manual")
        searcher = index.searcher()
        for word in needles.words:
            if any(searcher.doc_freq("text", term) for term in analyzer.analyze(word)):
                yield word
