"""Pages of animals, and releases of them in every mode."""

from dataclasses import replace
from datetime import timedelta

from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release, recipe_of
from rag_pipeline.index.manifest import Manifest, RetrievalParameters
from tests.support.small_releases import NOW


def served_as(home: Home, manifest: Manifest, night: int = 1, **parameters: object) -> Manifest:
    """The release of the same content with other retrieval parameters."""
    retrieval = RetrievalParameters.model_validate(manifest.retrieval.model_dump() | parameters)
    other = replace(recipe_of(manifest), retrieval=retrieval)
    return build_release(home, other, run_id="test", now=NOW + timedelta(days=night)).manifest
