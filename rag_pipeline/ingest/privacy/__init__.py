"""Private data: finding it, and what a contract has done to it before anything is stored."""

from rag_pipeline.ingest.privacy.shield import Protected, Shield

__all__ = ["Protected", "Shield"]
