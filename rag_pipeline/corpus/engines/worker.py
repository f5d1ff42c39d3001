"""What a worker does, wherever it runs: it shows that it is the worker that is wanted, then embeds parts into fragments."""

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import rag_pipeline
from rag_pipeline.corpus.control import Control, trusted
from rag_pipeline.corpus.encoders import encoder_of
from rag_pipeline.corpus.engines.handover import Addresses, handover_at
from rag_pipeline.corpus.model import Encoder, Model, usable
from rag_pipeline.corpus.model_folder import model_folder
from rag_pipeline.corpus.sound import vector_rows
from rag_pipeline.errors import PipelineError
from rag_pipeline.home_settings import CACHE, copy_of


@dataclass(frozen=True)
class Orders:
    """What every worker is told: plain values, which go as JSON.

    `handover`: where parts and fragments lie (`handover.Addresses`), which each worker reaches. `exports`: a folder of a
    machine's own. `control`: texts with their vectors. `versions`: of what must be the same everywhere.
    """

    model: dict[str, Any]
    """Name, prompts, device, batch, back end and precision, and the fingerprint they must give."""
    handover: dict[str, str]
    exports: str
    threads: int
    control: tuple[str, list[str], list[list[float]]]
    versions: dict[str, str] = field(default_factory=lambda: versions())

    def as_json(self) -> str:
        return json.dumps(asdict(self))


_HOW = ("query_prompt", "document_prompt", "device", "batch", "backend", "precision")


def orders_of(model: Model, name: str, control: Control, handover: Addresses, threads: int) -> Orders:
    """`name`: of the model, as RAG_MODEL says it."""
    how = {one: getattr(model, one) for one in _HOW}
    return Orders(
        model={"name": name, "fingerprint": model.fingerprint, **how},
        handover=asdict(handover),
        exports="" if model.exports == Path() else str(model.exports),
        threads=threads,
        control=(control.whose, control.texts, control.vectors.tolist()),
    )


def versions() -> dict[str, str]:
    """The versions that must be the same on every worker, so that one pipeline makes, reads and serves the vectors."""
    try:
        chroma = version("chromadb")
    except PackageNotFoundError:
        chroma = "none"
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"Python": here, "chromadb": chroma, "rag-pipeline": rag_pipeline.__version__}


class Worker:
    """Holds the model. It never raises: what is wrong is the answer to each part, and the driver ends the run."""

    def __init__(self, orders: str) -> None:
        """`orders`: as JSON."""
        self._orders = Orders(**json.loads(orders))
        self._encoder: Encoder | None = None
        self._refused = ""
        try:
            self._handover = handover_at(Addresses(**self._orders.handover))
            self._encoder = _encoder_for(self._orders)
        except Exception as error:
            self._refused = _says(error)

    def embed(self, part: str) -> dict[str, Any]:
        """What came of a part: `part`, and `error`, or what `Handover.put` says of the fragment."""
        if self._encoder is None:
            return {"part": part, "error": f"a worker was refused: {self._refused}"}
        try:
            rows = self._handover.rows(part)
        except Exception as error:
            return {"part": part, "error": f"{part} cannot be read by a worker ({_says(error)}); {self._handover.needs}"}
        try:
            model = str(self._orders.model["fingerprint"])
            vectors = usable(self._encoder.documents(rows["text"].to_list()), rows.height)
            table = vector_rows(model, rows["text_hash"].to_arrow(), vectors)
            fragment = self._handover.put(table, {"model": model})
        except Exception as error:
            return {"part": part, "error": f"{part} was not embedded: {_says(error)}"}
        return {"part": part, **fragment}


def _encoder_for(orders: Orders) -> Encoder:
    """The encoder that is wanted. Raises `PipelineError` where this worker is another one."""
    here = versions()
    other = [
        f"{name} {here[name]}, and the run has {wanted}" for name, wanted in orders.versions.items() if here[name] != wanted
    ]
    if other:
        raise PipelineError(f"it has {'; '.join(other)}. Start the workers from the image that the run is from")
    how = dict(orders.model)
    name, wanted = str(how.pop("name")), str(how.pop("fingerprint"))
    model = Model(folder=model_folder(name), exports=_exports(orders), **how)
    if model.fingerprint != wanted:
        raise PipelineError(
            f"RAG_MODEL={name} is another model there ({model.fingerprint[:12]}) than in the run ({wanted[:12]}): its files "
            "differ. Start the workers from the image that the run is from"
        )
    whose, texts, vectors = orders.control
    control = Control(whose, texts, np.array(vectors, dtype=np.float32))
    return trusted(model, lambda: encoder_of(model, orders.threads), control)


def _exports(orders: Orders) -> Path:
    """Where graphs of models are kept on this machine: in the run's copy of a bucket, or where one would be here."""
    folder, home = Path(orders.exports), orders.handover["home"]
    if not orders.exports or not home or folder.parent.is_dir():
        return folder
    return copy_of(home, Path(os.environ.get("RAG_CACHE") or CACHE).expanduser()) / folder.name


def _says(error: Exception) -> str:
    """An error in one line. Of a library's only its kind, and what the system says: its text may quote a document."""
    if isinstance(error, PipelineError):
        return " ".join(str(error).split())
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
