"""Is what an answer quotes what people judged relevant? Of one quote, and of all quotes of an answer in characters. Pure."""

from collections.abc import Sequence

from rag_pipeline.answer.cited import Citation
from rag_pipeline.metrics.spans import Span, by_document, common, size

HALF = 0.5
"""A sentence is right when it shares this much of itself, or of a judged passage, with a judged passage."""


def is_right(citation: Citation, wanted: Sequence[Span], said: Sequence[str] = ()) -> bool:
    """Whether a quote is one of the judged passages, or half of one, or lies in one by half.

    `said`: texts of judged passages. Where a document says the same twice, each of both places is right.
    """
    if any(text in citation.quote or citation.quote in text for text in said):
        return True
    for document, start, end in wanted:
        if document == citation.document_id:
            shared = min(end, citation.end) - max(start, citation.start)
            if shared > 0 and shared >= HALF * min(end - start, citation.end - citation.start):
                return True
    return False


def precision_and_recall(citations: Sequence[Citation], wanted: Sequence[Span]) -> tuple[float, float]:
    """Shares of characters: of what is quoted that was judged, of what was judged that is quoted."""
    quoted = by_document([(one.document_id, one.start, one.end) for one in citations])
    judged = by_document(wanted)
    shared = sum(size(common(intervals, quoted.get(document, []))) for document, intervals in judged.items())
    read, total = sum(map(size, quoted.values())), sum(map(size, judged.values()))
    return (shared / read if read else 0.0), (shared / total if total else 0.0)
