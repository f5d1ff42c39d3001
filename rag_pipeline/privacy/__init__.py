"""Private data: finding it, and what happens to it under a contract before anything is stored."""

from rag_pipeline.privacy.filter import PrivacyFilter, Protected

__all__ = ["PrivacyFilter", "Protected"]
