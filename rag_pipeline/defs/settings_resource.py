"""The settings as a resource: the UI shows what the pipeline runs with, and an asset that somebody adds can ask for them.

The pipeline's own assets do not take it. The graph itself is made from the settings, so a run with others than those that
the graph was made from would be of another pipeline. No secret is a setting, so none is shown.
"""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from rag_pipeline.home import Home
from rag_pipeline.settings import Settings
from rag_pipeline.variables import PREFIX

KEY = "rag_settings"
"""Name of the resource, and of the argument by which an asset takes it."""


class PipelineSettings(dg.ConfigurableResource[None]):
    """What this pipeline runs with: the variables `RAG_*`, or their defaults. A change takes effect when it is loaded again.

    An asset takes it as an argument, `rag_settings: PipelineSettings`.
    """

    def read(self) -> Settings:
        """The settings themselves, with their types."""
        return Settings(**{name: getattr(self, name) for name in Settings.model_fields})


def settings_resource(settings: Settings) -> PipelineSettings:
    """The resource. The UI marks the values that are defaults."""
    return _SHOWN(**{name: _plain(getattr(settings, name)) for name in Settings.model_fields})


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path | Home) else value


def _shown() -> type[PipelineSettings]:
    """Every setting as a field, of a type that Dagster can show."""
    fields: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        default = _plain(field.get_default(call_default_factory=True))
        fields[name] = (type(default), Field(default, description=f"{PREFIX}{name.upper()}. {field.description}"))
    return create_model(PipelineSettings.__name__, __base__=PipelineSettings, __doc__=PipelineSettings.__doc__, **fields)


_SHOWN = _shown()
