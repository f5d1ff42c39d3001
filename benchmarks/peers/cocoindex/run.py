"""CocoIndex with its LanceDB target, as its example `text_embedding_lancedb` sets it up.

A memoized component a document, its embedder with the memo it has by itself, `detect_change` on the embedder as its guide
asks for models, batches its own. Rows are read from the feed as its examples read rows of a database.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cocoindex as coco
from cocoindex.connectors import lancedb
from cocoindex.ops.sentence_transformers import SentenceTransformerEmbedder
from cocoindex.resources.id import IdGenerator
from numpy.typing import NDArray

from benchmarks.peers.protocol import Document, Row, Task, main

TABLE = "chunks"
LANCE_DB = coco.ContextKey[lancedb.LanceAsyncConnection]("lance_db")
EMBEDDER = coco.ContextKey[SentenceTransformerEmbedder]("embedder", detect_change=True)

_TASK: list[Task] = []


@dataclass
class Chunk:
    id: int
    key: str
    title: str
    team: str
    text: str
    embedding: Annotated[NDArray[Any], EMBEDDER]


@coco.lifespan
async def resources(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
    task = _TASK[0]
    builder.settings.db_path = task.state / "cocoindex.db"
    builder.provide(LANCE_DB, await lancedb.connect_async(str(task.state / "lancedb")))
    builder.provide(EMBEDDER, SentenceTransformerEmbedder(str(task.model)))
    yield


@coco.fn
async def process_chunk(piece: str, document: Document, ids: IdGenerator, table: lancedb.TableTarget[Chunk]) -> None:
    table.declare_row(
        row=Chunk(
            id=await ids.next_id(piece),
            key=document.key,
            title=document.title,
            team=document.team,
            text=piece,
            embedding=await coco.use_context(EMBEDDER).embed(piece),
        )
    )


@coco.fn(memo=True)
async def process_document(document: Document, chunk_tokens: int, table: lancedb.TableTarget[Chunk]) -> None:
    """`chunk_tokens` is an argument so that another chunk size is another input."""
    await coco.map(process_chunk, _TASK[0].cuts.pieces(document.text), document, IdGenerator(), table)


@coco.fn
async def app_main() -> None:
    table = await lancedb.mount_table_target(
        LANCE_DB, TABLE, await lancedb.TableSchema.from_class(Chunk, primary_key=["id"])
    )
    task = _TASK[0]
    items = [(document.key, document) for document in task.documents]
    await coco.mount_each(process_document, items, task.cuts.tokens, table)


app = coco.App(coco.AppConfig(name="peers"), app_main)


def update(task: Task) -> Any:
    _TASK.append(task)

    async def run() -> Any:
        handle = app.update()
        await handle.result()
        return str(handle.stats())

    return asyncio.run(run())


def dump(state: Path) -> Iterator[Row]:
    names = ["id", "key", "title", "team", "text"]
    for row in _table(state).to_arrow().to_pylist() if (state / "lancedb" / f"{TABLE}.lance").is_dir() else []:
        yield {name: row[name] for name in names} | {"vector": row["embedding"]}


def lose(state: Path, rows: int) -> list[str]:
    table = _table(state)
    ids = sorted(table.to_arrow()["id"].to_pylist())[:rows]
    table.delete(f"id in ({', '.join(map(str, ids))})")
    return [str(name) for name in ids]


def _table(state: Path) -> Any:
    return lancedb.connect(str(state / "lancedb")).open_table(TABLE)


if __name__ == "__main__":
    main(update, dump, lose)
