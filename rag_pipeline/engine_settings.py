"""The settings of embedding on a cluster: part of `settings.Settings`, in a file of their own."""

import re
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class EngineSettings(BaseSettings):
    """What embeds the corpus: this process, or the workers of a Ray cluster."""

    embed_engine: Literal["local", "ray"] = Field(
        default="local", description="What embeds the corpus: this process, or the workers of a Ray cluster."
    )
    ray_address: str = Field(
        default="local", description="The Ray cluster: `local` starts one for the run, `auto`, or `host:port` of its head."
    )
    embed_workers: str = Field(
        default="0", description="Workers on the cluster: `4`, or `1:8` for at least and at most; 0 means as many as fit."
    )
    embed_worker_cpus: int = Field(default=1, ge=1, le=256, description="CPUs, and so threads, of one worker.")
    embed_worker_gpus: float = Field(
        default=0.0,
        ge=0,
        le=16,
        description="GPUs of one worker; .5 puts two on one. 0 means one if `RAG_DEVICE` is cuda.",
    )
    embed_part: int = Field(
        default=8192, ge=1, le=1_000_000, description="Texts that a worker embeds at once, and again if it is killed."
    )
    embed_stall_s: float = Field(
        default=900.0, ge=1, le=86_400, description="Seconds without a finished part after which the run gives up."
    )
    embed_minimum: int = Field(default=20_000, ge=0, description="Fewer new texts than this never start a cluster.")

    @field_validator("embed_workers")
    @classmethod
    def _a_number_or_two(cls, text: str) -> str:
        found = re.fullmatch(r"(\d{1,5})(?::(\d{1,5}))?", text.strip())
        if not found or (found[2] and not 0 < int(found[1]) <= int(found[2])):
            raise ValueError("say how many workers, such as 4, or at least and at most, such as 1:8; 0 means as many as fit")
        return text.strip()

    @field_validator("ray_address")
    @classmethod
    def _an_address_of_ray(cls, address: str) -> str:
        if address.startswith("ray://"):
            raise ValueError(
                "Ray Client (ray://) is not made for Ray Data: run the refresh on a node of the cluster, which may have no "
                "CPUs for Ray, and say auto, or host:port of the head"
            )
        if not re.fullmatch(r"local|auto|[A-Za-z0-9.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", address):
            raise ValueError("say local, auto, or host:port of the head, such as ray-head:6379")
        return address
