"""LlamaIndex' `IngestionPipeline` with Chroma and a document store, strategy "upserts and delete".

As its guides to the pipeline and to document management set it up: state is loaded before a run and persisted after it,
the pipeline's cache is on, batch sizes are its own. Metadata is left out of what is embedded, so that the texts are the
same as everybody's.
"""

from typing import Any

import chromadb
from llama_index.core import Document
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import TextSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore
from pydantic import PrivateAttr

from benchmarks.peers.protocol import Cuts, Task, main

COLLECTION = "chunks"
METADATA = ["title", "team"]


class Splitter(TextSplitter):
    """Cuts where the benchmark says. `chunk_size` is a field, so that the pipeline's cache knows another size."""

    chunk_size: int
    _cuts: Cuts = PrivateAttr()

    def __init__(self, cuts: Cuts) -> None:
        super().__init__(chunk_size=cuts.tokens)
        self._cuts = cuts

    def split_text(self, text: str) -> list[str]:
        return self._cuts.pieces(text)


def update(task: Task) -> Any:
    collection = chromadb.PersistentClient(str(task.state / "chroma")).get_or_create_collection(COLLECTION)
    pipeline = IngestionPipeline(
        transformations=[Splitter(task.cuts), HuggingFaceEmbedding(model_name=str(task.model))],
        docstore=SimpleDocumentStore(),
        vector_store=ChromaVectorStore(chroma_collection=collection),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    storage = task.state / "pipeline_storage"
    if storage.is_dir():
        pipeline.load(str(storage))
    documents = [
        Document(
            id_=one.key,
            text=one.text,
            metadata={"title": one.title, "team": one.team},
            excluded_embed_metadata_keys=METADATA,
        )
        for one in task.documents
    ]
    nodes = pipeline.run(documents=documents)
    pipeline.persist(str(storage))
    return {"nodes": len(nodes)}


if __name__ == "__main__":
    main(update)
