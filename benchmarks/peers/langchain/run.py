"""LangChain's `index()` with Chroma and a record manager on SQLite; cleanup "full" is the mode that deletes what left.

As its guide to the indexing API sets it up; batch sizes its own.
"""

from typing import Any

from langchain_chroma import Chroma
from langchain_classic.indexes import SQLRecordManager
from langchain_core.documents import Document
from langchain_core.indexing import index
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import TextSplitter

from benchmarks.peers.protocol import Cuts, Task, main

COLLECTION = "chunks"


class Splitter(TextSplitter):
    """Cuts where the benchmark says."""

    def __init__(self, cuts: Cuts) -> None:
        super().__init__(chunk_size=10**6, chunk_overlap=0)
        self._cuts = cuts

    def split_text(self, text: str) -> list[str]:
        return self._cuts.pieces(text)


def update(task: Task) -> Any:
    embeddings = HuggingFaceEmbeddings(model_name=str(task.model))
    store = Chroma(COLLECTION, embeddings, persist_directory=str(task.state / "chroma"))
    records = SQLRecordManager(f"chroma/{COLLECTION}", db_url=f"sqlite:///{task.state / 'records.sqlite'}")
    records.create_schema()
    documents = [
        Document(one.text, metadata={"source": one.key, "title": one.title, "team": one.team}) for one in task.documents
    ]
    chunks = Splitter(task.cuts).split_documents(documents)
    return index(chunks, records, store, cleanup="full", source_id_key="source", key_encoder="sha256")


if __name__ == "__main__":
    main(update)
