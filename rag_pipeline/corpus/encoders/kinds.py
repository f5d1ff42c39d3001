"""The ways to run a model: which back end runs which precision, on which devices, with which packages."""

import importlib.util
from dataclasses import dataclass

from rag_pipeline.errors import PipelineError


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to run a model. Another one is another model to the pipeline: the gate judges the switch."""

    backend: str
    precision: str
    devices: tuple[str, ...]
    runs_with: tuple[str, ...] = ()
    """Packages it takes to run; torch and sentence-transformers are always there."""
    made_with: tuple[str, ...] = ()
    """Packages it takes to export the graph, once."""
    extra: str = ""
    """Extra of this project that installs them."""
    least_cosine: float = 0.9999
    """An export whose vectors are further from the model's own than this, on any calibration text, is refused."""

    @property
    def name(self) -> str:
        return f"{self.backend} {self.precision}"


_OPENVINO = ("openvino",)
KINDS = (
    Kind("torch", "fp32", ("cpu", "cuda", "mps"), least_cosine=0.99999),
    Kind("torch", "fp16", ("cuda", "mps")),
    Kind("onnx", "fp32", ("cpu", "cuda"), ("onnxruntime",), ("onnx",), "onnx"),
    Kind("openvino", "fp32", ("cpu",), _OPENVINO, (), "openvino"),
    Kind("openvino", "int8-weights", ("cpu",), _OPENVINO, ("nncf",), "openvino", 0.98),
    Kind("openvino", "int8", ("cpu",), _OPENVINO, ("nncf",), "openvino", 0.9),
)
"""int8-weights: weights in 8 bits, arithmetic in 32. int8: both in 8 bits, with scales fixed when the graph is exported.

ONNX Runtime's dynamic int8 is not among them: its scales depend on what stands beside a text in the batch, so the same text
has another vector tomorrow. torch's dynamic int8 loses too much (cosine .926), bfloat16 and `torch.compile` gain nothing.
"""


def kind_of(backend: str, precision: str, device: str) -> Kind:
    """The way to run a model that the settings name. Raises `PipelineError` when there is none."""
    of_backend = [kind for kind in KINDS if kind.backend == backend]
    for kind in of_backend:
        if kind.precision == precision:
            if device.split(":")[0] not in kind.devices:
                raise PipelineError(
                    f"RAG_DEVICE={device}: {kind.name} runs on {', '.join(kind.devices)} only; set another device, "
                    "RAG_EMBED_BACKEND or RAG_EMBED_PRECISION"
                )
            return kind
    known = ", ".join(kind.precision for kind in of_backend)
    raise PipelineError(f"RAG_EMBED_PRECISION={precision}: {backend} runs {known}")


def missing_packages(kind: Kind, *, export: bool = True) -> list[str]:
    """Packages that running a model this way needs and that are not installed."""
    needed = kind.runs_with + (kind.made_with if export else ())
    return [name for name in needed if importlib.util.find_spec(name) is None]
