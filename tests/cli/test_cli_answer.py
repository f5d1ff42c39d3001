"""`rag answer` and `rag golden answers`."""
