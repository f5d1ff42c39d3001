"""What the next release is made of: the configured model and chunker, and the state of every source."""

from datetime import datetime
from pathlib import Path

import polars as pl

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.corpus.chunking import chunkers_of
from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.tables import chunks_table
from rag_pipeline.index.build import Recipe
from rag_pipeline.index.manifest import CutEntry, ModelEntry, RetrievalParameters, SourceEntry
from rag_pipeline.index.rerank import reranker_at
from rag_pipeline.ingest.state import source_state
from rag_pipeline.lake import collected
from rag_pipeline.settings import Settings


def retrieval_of(settings: Settings) -> RetrievalParameters:
    """How releases answer by the settings; `auto` is dense until golden sets have decided.

    Raises `PipelineError` when the re-ranker's files are not on this machine.
    """
    reranker = reranker_at(settings.reranker) if settings.reranker else None
    return RetrievalParameters(
        mode="dense" if settings.retrieval == "auto" else settings.retrieval,
        dense_weight=settings.hybrid_dense_weight,
        language=settings.lexical_language,
        reranker=str(reranker.folder) if reranker else "",
        reranker_fingerprint=reranker.fingerprint if reranker else "",
        rerank_depth=settings.rerank_depth if reranker else 0,
    )


def recipe_now(
    settings: Settings, contracts: tuple[Contract, ...], now: datetime, retrieval: RetrievalParameters | None = None
) -> Recipe:
    """The recipe as of now; `retrieval` None: as the settings say. Reads tables and settings, changes nothing."""
    model, chunkers = model_of(settings), chunkers_of(settings, contracts)
    held = collected(chunks_table(settings.home).scan().group_by("source").agg(pl.col("document_id").n_unique(), pl.len()))
    counts = {source: (documents, chunks) for source, documents, chunks in held.iter_rows()}
    return Recipe(
        model=ModelEntry(
            name=str(model.folder) if Path(settings.model).expanduser().is_dir() else settings.model,
            fingerprint=model.fingerprint,
            dimensions=model.dimensions,
            query_prompt=model.query_prompt,
            document_prompt=model.document_prompt,
            backend=model.backend,
            precision=model.precision,
        ),
        chunker=chunkers.default.fingerprint,
        cut={
            source: CutEntry(
                chunker=chunker.fingerprint,
                tokens=chunker.max_tokens,
                min_tokens=chunker.min_tokens,
                splitter=chunker.splitter,
            )
            for source, chunker in sorted(chunkers.own.items())
        },
        sources={
            contract.source: SourceEntry(
                documents=counts.get(contract.source, (0, 0))[0],  # of what is released, not of what a load told
                chunks=counts.get(contract.source, (0, 0))[1],
                data_version=state.data_version,
                contract_id=contract.id,
                contract_version=contract.version,
                filterable=tuple(sorted(column.name for column in contract.columns if column.filterable)),
            )
            for contract in contracts
            for state in [source_state(contract, settings.home, now)]
        },
        retrieval=retrieval or retrieval_of(settings),
        contracts={contract.file.name: contract.text for contract in contracts if contract.text},
    )
