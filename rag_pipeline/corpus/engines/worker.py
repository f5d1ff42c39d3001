"""What a worker does, wherever it runs: it shows that it is the worker that is wanted, then embeds parts into fragments."""

import json
import sys
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import rag_pipeline
from rag_pipeline.corpus.control import Control, trusted
from rag_pipeline.corpus.encoders import encoder_of
from rag_pipeline.corpus.engines.parts import read_part
from rag_pipeline.corpus.model import Encoder, Model, usable
from rag_pipeline.corpus.model_folder import model_folder
from rag_pipeline.corpus.sound import vector_rows
from rag_pipeline.errors import PipelineError
from rag_pipeline.lake import write_fragment


@dataclass(frozen=True)
class Orders:
    """What every worker is told: plain values, which go as JSON.

    `parts`, `table`, `exports`: places that each worker reaches. `control`: texts with their vectors. `versions`: of what
    must be the same everywhere.
    """

    model: dict[str, Any]
    """Name, prompts, device, batch, back end and precision, and the fingerprint they must give."""
    parts: str
    table: str
    exports: str
    threads: int
    control: tuple[str, list[str], list[list[float]]]
    versions: dict[str, str] = field(default_factory=lambda: versions())

    def as_json(self) -> str:
        return json.dumps(asdict(self))


_HOW = ("query_prompt", "document_prompt", "device", "batch", "backend", "precision")


def orders_of(model: Model, name: str, control: Control, places: tuple[Path, Path], threads: int) -> Orders:
    """`name`: of the model, as RAG_MODEL says it. `places`: the folder of the parts, and the table of vectors."""
    how = {
        one: getattr(model, one) for one in ("query_prompt", "document_prompt", "device", "batch", "backend", "precision")
    }
    return Orders(
        model={"name": name, "fingerprint": model.fingerprint, **how},
        parts=str(places[0]),
        table=str(places[1]),
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
            self._encoder = _encoder_for(self._orders)
        except Exception as error:
            self._refused = _says(error)

    def embed(self, part: str) -> dict[str, Any]:
        """What came of a part: `part`, and `error`, or the fragment's `path`, `rows` and `size_bytes`."""
        if self._encoder is None:
            return {"part": part, "error": f"a worker was refused: {self._refused}"}
        try:
            rows = read_part(Path(self._orders.parts), part)
        except Exception as error:
            shared = "RAG_HOME must lie where every node of the cluster sees it"
            return {"part": part, "error": f"{part} cannot be read by a worker ({_says(error)}); {shared}"}
        try:
            model = str(self._orders.model["fingerprint"])
            vectors = usable(self._encoder.documents(rows["text"].to_list()), rows.height)
            table = vector_rows(model, rows["text_hash"].to_arrow(), vectors)
            fragment = write_fragment(Path(self._orders.table), table, {"model": model})
        except Exception as error:
            return {"part": part, "error": f"{part} was not embedded: {_says(error)}"}
        return {"part": part, "path": fragment.path, "rows": fragment.rows, "size_bytes": fragment.size_bytes}


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
    model = Model(folder=model_folder(name), exports=Path(orders.exports) if orders.exports else Path(), **how)
    if model.fingerprint != wanted:
        raise PipelineError(
            f"RAG_MODEL={name} is another model there ({model.fingerprint[:12]}) than in the run ({wanted[:12]}): its files "
            "differ. Start the workers from the image that the run is from"
        )
    whose, texts, vectors = orders.control
    control = Control(whose, texts, np.array(vectors, dtype=np.float32))
    return trusted(model, lambda: encoder_of(model, orders.threads), control)


def _says(error: Exception) -> str:
    """An error in one line. Of a library's only its kind, and what the system says: its text may quote a document."""
    if isinstance(error, PipelineError):
        return " ".join(str(error).split())
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
