"""The corpus: chunks cut from documents, and a vector for each distinct text."""

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.checks import chunks_outside_their_document, chunks_without_vector
from rag_pipeline.corpus.chunking import chunker_of
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.corpus.model import model_of
from rag_pipeline.defs.keys import CHUNKS, CORPUS_GROUP, EMBEDDINGS, documents
from rag_pipeline.defs.present import Materialized, check, table
from rag_pipeline.settings import Settings

SPAN_CHECK = "every_chunk_is_a_span_of_its_document"
COVER_CHECK = "vectors_cover_every_chunk"


def corpus_assets(contracts: tuple[Contract, ...], settings: Settings) -> list[dg.AssetsDefinition]:
    """`corpus/chunks` and `corpus/embeddings`."""
    sources = [contract.source for contract in contracts]

    @dg.asset(
        key=CHUNKS,
        deps=[documents(source) for source in sources],
        group_name=CORPUS_GROUP,
        owners=[settings.owner],
        kinds={"deltalake"},
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                SPAN_CHECK,
                asset=CHUNKS,
                blocking=True,
                description="A chunk's text is its document's text from start to end, to the letter.",
            )
        ],
    )
    def chunks(context: dg.AssetExecutionContext) -> Materialized:
        """Spans of documents, the unit of retrieval.

        **Grain**: one chunk. **Origin**: the documents of every source, cut at their headings. **Re-run**: cuts only
        documents that changed, or all of them when the chunker did.
        """
        report = update_chunks(settings.home, sources, chunker_of(settings))
        wrong = chunks_outside_their_document(settings.home, sources)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.total,
                "chunks": report.total,
                "documents": report.documents,
                "documents_cut": report.documents_cut,
                "added": report.added,
                "removed": report.removed,
                "duplicate_texts": report.duplicate_texts,
                "by_source": table(("source", "chunks"), report.by_source.items()),
            },
            data_version=dg.DataVersion(report.data_version),
            check_results=[check(CHUNKS, SPAN_CHECK, not wrong, examples=table(("chunk", "document"), wrong))],
        )

    @dg.asset(
        key=EMBEDDINGS,
        deps=[CHUNKS],
        group_name=CORPUS_GROUP,
        owners=[settings.owner],
        kinds={"deltalake", "pytorch"},
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                COVER_CHECK,
                asset=EMBEDDINGS,
                blocking=True,
                description="Every chunk's text has a vector of the configured model.",
            )
        ],
    )
    def embeddings(context: dg.AssetExecutionContext) -> Materialized:
        """One vector for each distinct chunk text and model, kept for good.

        **Grain**: one (model, text). **Origin**: `corpus/chunks`. **Re-run**: embeds only texts that have no vector of
        this model yet; a killed run resumes where it stopped.
        """
        model = model_of(settings)
        report = update_embeddings(settings.home, model, model.load)
        missing = chunks_without_vector(settings.home, model.fingerprint)
        context.log.info(f"embedded {report.embedded} texts, reused {report.reused}")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.texts,
                "embedded": report.embedded,
                "reused": report.reused,
                "texts_per_second": round(report.embedded / report.seconds, 1) if report.embedded else 0.0,
                "model": settings.model,
                "model_fingerprint": report.model,
            },
            data_version=dg.DataVersion(f"{report.model[:16]}-{report.texts_fingerprint[:16]}"),
            check_results=[check(EMBEDDINGS, COVER_CHECK, not missing, examples=table(("chunk", "document"), missing))],
        )

    return [chunks, embeddings]
