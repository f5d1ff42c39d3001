"""The release pipeline for retrieval indexes: contracts, evaluation and a gate in front of every index."""
