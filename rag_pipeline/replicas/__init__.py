"""What replicas say of themselves: files below RAG_HOME, so that Dagster can tell who serves what without asking them."""
