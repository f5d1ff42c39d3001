"""A home with a release and a golden set on it, and evaluations as the pipeline makes them."""

from dataclasses import dataclass
from datetime import timedelta

from rag_pipeline.evaluate.evaluate import Evaluation, ServingRelease, evaluate_release
from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.home import Home
from rag_pipeline.index.manifest import read_manifest
from tests.conftest import Workspace
from tests.support.small_releases import NOW, SmallModel, release_of

PAGES = {"cats.md": "# Cats\n\ncats purr softly", "dogs.md": "# Dogs\n\ndogs bark loudly", "fish.md": "# Fish\n\nfish swim"}
WORSE = {**PAGES, "cats.md": "# Felines\n\nnothing else is said here", "noise.md": "# Noise\n\ncats purr softly"}
LATER = NOW + timedelta(hours=1)


@dataclass
class Desk:
    """A home with a release of PAGES and a golden set on it."""

    workspace: Workspace
    release: str

    @property
    def home(self) -> Home:
        return self.workspace.home

    def evaluation(self, **changes: object) -> Evaluation:
        sets = read_golden_sets(self.workspace.settings.evals)
        fields = {"model": SmallModel(), "policies": {"production": "policy"}, "run_id": "run", "now": NOW, **changes}
        return Evaluation(self.home, sets, **fields)  # type: ignore[arg-type]

    def evaluate(self, release: str | None = None, production: str | None = None, **changes: object) -> Evidence:
        rival = ServingRelease(production, read_manifest(self.home.release(production)).fingerprint) if production else None
        return evaluate_release(self.evaluation(**changes), release or self.release, rival)

    def second(self) -> str:
        """Another release, which finds less; the judged documents all exist."""
        return release_of(self.home, WORSE, now=LATER).manifest.id
