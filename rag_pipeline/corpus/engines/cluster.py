"""How the workers of a Ray cluster are to embed, as the settings say it."""

from dataclasses import dataclass

from rag_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Cluster:
    """How the workers of a Ray cluster are to embed. `workers`: how many at least and at most; (0, 0): as many as fit."""

    model: str
    """The name of the model, as RAG_MODEL says it: on a worker it may lie in another folder."""
    address: str = "local"
    workers: tuple[int, int] = (0, 0)
    worker_cpus: int = 1
    worker_gpus: float = 0.0
    part: int = 8_192
    """Texts in a part: what a killed worker does again."""
    stall_s: float = 900.0
    minimum: int = 20_000
    """Fewer texts than this are embedded in this process."""


def cluster_of(settings: Settings) -> Cluster | None:
    """The cluster that the settings name; None where this process embeds."""
    if settings.embed_engine == "local":
        return None
    least, _, most = settings.embed_workers.partition(":")
    return Cluster(
        model=settings.model,
        address=settings.ray_address,
        workers=(int(least), int(most or least)),
        worker_cpus=settings.embed_worker_cpus,
        worker_gpus=settings.embed_worker_gpus or float(settings.device.startswith("cuda")),
        part=settings.embed_part,
        stall_s=settings.embed_stall_s,
        minimum=settings.embed_minimum,
    )
