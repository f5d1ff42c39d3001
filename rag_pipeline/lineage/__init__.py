"""OpenLineage: what each step read and wrote, for whoever `RAG_OPENLINEAGE_URL` names. It knows no Dagster and no text."""
