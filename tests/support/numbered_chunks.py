"""Releases of numbered chunks: which of two hundred one holds is all that sets it apart from another."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from rag_pipeline.corpus.model import Vectors
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.files import file_sha256, write_json
from rag_pipeline.home import MANIFEST_FILE, Home
from rag_pipeline.index import chroma
from rag_pipeline.index.manifest import Manifest
from tests.support.small_releases import NOW, build, store_vectors, unit_vectors

NUMBERS = unit_vectors(200)


def hold(home: Home, places: Iterable[int], moved: Iterable[int] = ()) -> list[str]:
    """Make the tables hold the chunks at some of the 200 places; those `moved` start elsewhere in their document."""
    every = store_vectors(home, NUMBERS)
    ids, elsewhere = [every[place] for place in places], [every[place] for place in moved]
    is_moved = pl.col("chunk_id").is_in(elsewhere)
    rows = chunks_table(home).scan().filter(pl.col("chunk_id").is_in(ids)).collect()
    start = pl.when(is_moved).then(7).otherwise(pl.col("start")).cast(pl.Int64)
    payload = pl.when(is_moved).then(pl.lit("moved")).otherwise(pl.col("payload_hash"))
    chunks_table(home).overwrite(rows.with_columns(start=start, payload_hash=payload))
    return ids


def release(home: Home, places: Iterable[int], *, night: int = 0, moved: Iterable[int] = ()) -> Manifest:
    """The release of some of the 200 chunks, built upon whatever is kept."""
    hold(home, places, moved)
    built = build(home, now=NOW + timedelta(days=night))
    assert built.new
    return built.manifest


def rewrite(home: Home, manifest: Manifest, **changes: Any) -> None:
    """Have a kept release's manifest say something else; its files stay as they are."""
    said = manifest.model_copy(update=changes)
    write_json(home.release(manifest.id) / MANIFEST_FILE, said.model_dump(mode="json"))


def damage(home: Home, manifest: Manifest, name: str, content: bytes = b"rot") -> None:
    """Write over a file of a release, as a failing disk would."""
    path = home.release(manifest.id) / name
    path.chmod(0o644)
    path.write_bytes(content)


def bytes_of(home: Home, manifest: Manifest) -> dict[str, str]:
    """Checksum of every file of a release, its manifest too."""
    folder = home.release(manifest.id)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


Records = dict[str, tuple[str, dict[str, Any], Vectors]]
"""chunk id -> text, payload, vector"""


def served(home: Home, manifest: Manifest) -> Records:
    """Every record of a release, as its readers get it."""
    with chroma.reader(home, manifest) as collection:
        found: Any = collection.get(include=["documents", "metadatas", "embeddings"])
    together = zip(found["documents"], found["metadatas"], found["embeddings"], strict=True)
    return dict(zip(found["ids"], together, strict=True))


def assert_same_records(one: Records, other: Records) -> None:
    """Ids, texts and payloads to the letter; vectors as far as Chroma keeps them, which it makes of length 1 itself."""
    assert {name: record[:2] for name, record in one.items()} == {name: record[:2] for name, record in other.items()}
    for name, (_, _, vector) in one.items():
        np.testing.assert_allclose(vector, other[name][2], atol=1e-6, err_msg=name)


def whole(home: Home, manifest: Manifest) -> bool:
    """Whether a release was built whole rather than upon another, by what its manifest says."""
    origin = manifest.origin
    assert (origin.base is None) == bool(origin.rebuilt_because), "either a base or a reason why there is none"
    return origin.base is None
