"""The names, fields and origins of the pipeline's datasets, known before anything is read.

An asset is called as its key in Dagster is, in the pipeline's namespace; a feed as OpenLineage names what it lies in
(https://openlineage.io/docs/spec/naming), so that whoever writes the feed speaks of the same dataset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from rag_pipeline.contracts.contract import Column, Contract
from rag_pipeline.corpus.tables import CHUNKS, VECTORS
from rag_pipeline.ingest.tables import QUARANTINE
from rag_pipeline.lineage.facts import Dataset, Field, Name, Origin

_RELEASE = ("chunk_id", "document_id", "source", "text", "title", "uri", "heading", "start", "end", "metadata")
"""What a release holds of each chunk, beside its vector."""


@dataclass(frozen=True, slots=True)
class Datasets:
    """The datasets of one pipeline. `prefix`: parts before every key of it in Dagster."""

    namespace: str
    prefix: tuple[str, ...]
    contracts: tuple[Contract, ...]

    def name(self, key: Sequence[str]) -> Name:
        """The name of one of our assets, by its key without the prefix."""
        return self.named((*self.prefix, *key))

    def named(self, key: Sequence[str]) -> Name:
        """The name of any asset, by its key as Dagster has it."""
        return Name(self.namespace, "/".join(key))

    def known(self, key: Sequence[str]) -> Dataset:
        """One of our assets, with its fields and what they are made from, where it has any."""
        group, what = key
        at, contract = self.name(key), next((one for one in self.contracts if one.source == group), None)
        if contract and what == "documents":
            return Dataset(at, tuple(map(_field, _stored(contract))), self._of_the_feed(contract))
        if contract:
            return Dataset(at, _fields(QUARANTINE))
        if (group, what) == ("corpus", "chunks"):
            return Dataset(at, _fields(CHUNKS), self._of_documents())
        if (group, what) == ("corpus", "embeddings"):
            return Dataset(at, _fields(VECTORS), self._of_chunks(("text_hash", "vector")))
        if (group, what) == ("index", "candidate"):
            return Dataset(at, _released(), self._of_tables())
        if group == "index" and what not in ("evaluation", "production_evaluation", "kept_releases"):  # a channel
            candidate = self.name(("index", "candidate"))
            return Dataset(at, _released(), {one.name: (Origin(candidate, one.name),) for one in _released()})
        return Dataset(at)

    def _of_the_feed(self, contract: Contract) -> Mapping[str, tuple[Origin, ...]]:
        feed = feed_of(contract)
        return {
            column.name: (
                Origin(
                    feed,
                    column.found_as or column.name,
                    same=column.privacy.policy in ("allow", "refuse"),
                    masked=column.privacy.policy in ("scan-and-mask", "hash"),
                ),
            )
            for column in _stored(contract)
        }

    def _of_documents(self) -> Mapping[str, tuple[Origin, ...]]:
        found: dict[str, list[Origin]] = {}
        for contract in self.contracts:
            documents = self.name((contract.source, "documents"))
            for column in _stored(contract):
                field = {"key": "document_id", None: "metadata", "access": "metadata"}.get(column.role, column.role)
                if field in CHUNKS.names:  # modified_at is not carried along
                    found.setdefault(str(field), []).append(Origin(documents, column.name, same=field in ("title", "uri")))
        return {name: tuple(origins) for name, origins in found.items()}

    def _of_chunks(self, fields: Sequence[str]) -> Mapping[str, tuple[Origin, ...]]:
        chunks = self.name(("corpus", "chunks"))
        return {name: (Origin(chunks, "text", same=False),) for name in fields}

    def _of_tables(self) -> Mapping[str, tuple[Origin, ...]]:
        chunks, vectors = self.name(("corpus", "chunks")), self.name(("corpus", "embeddings"))
        return {name: (Origin(chunks, name),) for name in _RELEASE} | {"vector": (Origin(vectors, "vector"),)}


def feed_of(contract: Contract) -> Name:
    """What a source is read from."""
    return Name(*contract.server.dataset)


def _stored(contract: Contract) -> list[Column]:
    return [column for column in contract.columns if column.privacy.policy != "drop"]


def _field(column: Column) -> Field:
    return Field(column.name, column.logical_type, column.description)


def _fields(schema: pa.Schema) -> tuple[Field, ...]:
    return tuple(Field(one.name, str(one.type)) for one in schema)


def _released() -> tuple[Field, ...]:
    vector = VECTORS.field("vector")
    return (*_fields(pa.schema([CHUNKS.field(name) for name in _RELEASE])), Field("vector", str(vector.type)))
