"""What a run needs and can be known before its first step: the model, the size of chunks, the gate's policy."""

from rag_pipeline.corpus.chunking import chunker_of
from rag_pipeline.release.policy import check_policy
from rag_pipeline.settings import Settings


def check_ready(settings: Settings) -> None:
    """Raises `PipelineError`, in the words of the step that would fail, for what would stop a run in its middle.

    Contracts and cron lines are checked where the graph is built.
    """
    check_policy(settings.evals)
    chunker_of(settings)
