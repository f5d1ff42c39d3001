"""The corpus: chunks cut from documents, and a vector for each distinct text."""

from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.checks import Broken, chunks_outside_their_document, chunks_without_vector
from rag_pipeline.corpus.chunking import Chunkers, chunkers_of
from rag_pipeline.corpus.chunks import ChunkReport, update_chunks
from rag_pipeline.corpus.embeddings import EmbeddingReport, update_embeddings
from rag_pipeline.corpus.engines import cluster_of
from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.defs.keys import CHUNKS, CORPUS_GROUP, EMBEDDINGS, documents
from rag_pipeline.host.standard import ROWS, of_table
from rag_pipeline.host.ui_tables import Materialized, check, table
from rag_pipeline.settings import Settings

SPAN_CHECK = "every_chunk_is_a_span_of_its_document"
COVER_CHECK = "vectors_cover_every_chunk"


def chunks_asset(contracts: tuple[Contract, ...], settings: Settings) -> dg.AssetsDefinition:
    """`corpus/chunks`."""
    sources = [contract.source for contract in contracts]
    holds = "A chunk's text is its document's text from start to end, to the letter."

    @dg.asset(
        key=CHUNKS,
        deps=[documents(source) for source in sources],
        group_name=CORPUS_GROUP,
        owners=[settings.owner],
        kinds={"deltalake"},
        code_version="1",
        metadata=of_table(settings.home, chunks_table(settings.home), _CHUNKS),
        check_specs=[dg.AssetCheckSpec(SPAN_CHECK, asset=CHUNKS, blocking=True, description=holds)],
    )
    def chunks(context: dg.AssetExecutionContext) -> Materialized:
        """Spans of documents, the unit of retrieval.

        - Grain: one chunk.
        - Origin: the documents of every source, cut at their headings.
        - Re-run: cuts only documents that changed, and all of a source when the settings or its contract say another way
          to cut.
        """
        chunkers = chunkers_of(settings, contracts)
        report = update_chunks(settings.home, sources, chunkers.default, chunkers.own)
        wrong = chunks_outside_their_document(settings.home, sources)
        return _chunks_made(report, wrong, chunkers)

    return chunks


def embeddings_asset(settings: Settings) -> dg.AssetsDefinition:
    """`corpus/embeddings`."""
    holds = "Every chunk's text has a vector of the configured model."

    @dg.asset(
        key=EMBEDDINGS,
        deps=[CHUNKS],
        group_name=CORPUS_GROUP,
        owners=[settings.owner],
        kinds={"deltalake", "pytorch"},
        code_version="1",
        metadata=of_table(settings.home, vectors_table(settings.home), _VECTORS),
        check_specs=[dg.AssetCheckSpec(COVER_CHECK, asset=EMBEDDINGS, blocking=True, description=holds)],
    )
    def embeddings(context: dg.AssetExecutionContext) -> Materialized:
        """One vector for each distinct chunk text and model, kept for good.

        - Grain: one (model, text).
        - Origin: `corpus/chunks`.
        - Re-run: embeds only texts that have no vector of this model yet; a killed run resumes where it stopped.
        """
        model = model_of(settings)
        report = update_embeddings(settings.home, model, model.load, cluster_of(settings))
        missing = chunks_without_vector(settings.home, model.fingerprint)
        context.log.info(f"embedded {report.embedded} texts, reused {report.reused}")
        return _embeddings_made(report, missing, settings.model)

    return embeddings


def _chunks_made(report: ChunkReport, wrong: Broken, chunkers: Chunkers) -> Materialized:
    says = f"{report.total:,} chunks of {report.documents:,} documents were compared with them; {len(wrong):,} differ"
    numbers: dict[str, Any] = {"chunks": report.total, "chunks_that_differ": len(wrong)}
    return dg.MaterializeResult(
        metadata={
            ROWS: report.total,
            "chunks": report.total,
            "documents": report.documents,
            "documents_cut": report.documents_cut,
            "added": report.added,
            "removed": report.removed,
            "duplicate_texts": report.duplicate_texts,
            "by_source": by_source(report, chunkers),
        },
        data_version=dg.DataVersion(report.data_version),
        check_results=[_no(wrong, CHUNKS, SPAN_CHECK, says, numbers)],
    )


def _embeddings_made(report: EmbeddingReport, missing: Broken, model: str) -> Materialized:
    says = f"{report.texts:,} distinct texts were looked up; {len(missing):,} chunks have no vector of {model}"
    numbers: dict[str, Any] = {"texts": report.texts, "chunks_without_vector": len(missing)}
    return dg.MaterializeResult(
        metadata={
            ROWS: report.texts,
            "embedded": report.embedded,
            "reused": report.reused,
            "texts_per_second": round(report.embedded / report.seconds, 1) if report.embedded else 0.0,
            "model": model,
            "model_fingerprint": report.model,
        },
        data_version=dg.DataVersion(f"{report.model[:16]}-{report.texts_fingerprint[:16]}"),
        check_results=[_no(missing, EMBEDDINGS, COVER_CHECK, says, numbers)],
    )


def _no(broken: Broken, asset: list[str], name: str, says: str, numbers: dict[str, Any]) -> dg.AssetCheckResult:
    """A check that passes where nothing is broken."""
    return check(asset, name, not broken, says=says, metadata=numbers | {"examples": table(("chunk", "document"), broken)})


def by_source(report: ChunkReport, chunkers: Chunkers) -> dg.TableMetadataValue:
    """One row a source: its chunks, what was cut now, and how, in tokens of the model."""
    rows = []
    for source, chunks in report.by_source.items():
        cut, said_by = chunkers.of(source), "its contract" if source in chunkers.own else "the settings"
        rows.append(
            (source, chunks, report.cut_by_source.get(source, 0), cut.max_tokens, cut.min_tokens, cut.splitter, said_by)
        )
    return table(("source", "chunks", "documents cut now", "tokens at most", "joined below", "splitter", "as said by"), rows)


_CHUNKS = {
    "chunk_id": "Hash of the document's id, the text, and its place among equal texts of the document.",
    "document_id": "The document it is cut from: source and key.",
    "source": "The source of the document.",
    "text": "The document's text from start to end, to the letter.",
    "text_hash": "Hash of the text: the key of its vector.",
    "start": "Where the chunk begins in the document, in characters.",
    "end": "Where the chunk ends in the document, in characters.",
    "heading": "The headings above the chunk, outermost first.",
    "title": "The document's title.",
    "uri": "Where people can read the document.",
    "metadata": "JSON object of the document's further columns.",
    "payload_hash": "Hash of all that is served beside the text.",
    "document_hash": "Hash of the document as it was when it was cut.",
    "chunker": "Fingerprint of the way the document was cut.",
    "parts": "How many chunks the document was cut into.",
}

_VECTORS = {
    "model": "Fingerprint of the model: its weights, prompts, precision and back end.",
    "text_hash": "Hash of the text that was embedded.",
    "vector": "The vector of the text; its length is 1.",
    "crc32": "Checksum of the text's hash and the vector's bytes.",
}
