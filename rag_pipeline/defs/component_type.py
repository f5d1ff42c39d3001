"""`rag_pipeline.RagPipeline`: the pipeline as a component of somebody else's Dagster project, beside their assets.

Its YAML is the settings. What is not written there comes from the environment (`RAG_*`), so that commands and the UI can be
told the same once. Nothing large is imported here: every `dg` command of such a project looks at this file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, get_args

import dagster as dg
from dagster.components.component_scaffolding import scaffold_component
from dagster.components.resolved.scopes import LoadContextScope
from pydantic import BaseModel, Field, create_model

from rag_pipeline.errors import PipelineError
from rag_pipeline.project import CONTRACTS, EVALS
from rag_pipeline.project import HOME as RAG
from rag_pipeline.scaffold import add_example
from rag_pipeline.settings import Settings, settings_of

HOME = "home"
FOLDERS = (HOME, CONTRACTS, EVALS)
"""Settings that name a folder."""


def _attributes() -> type[BaseModel]:
    """Every setting as an attribute. Each may be a template such as `{{ env.RAG_HOME }}`; its meaning is checked later."""
    fields: dict[str, Any] = {
        name: (_written_as(name, field.annotation), Field(None, description=field.description))
        for name, field in Settings.model_fields.items()
    }
    return create_model("RagPipelineAttributes", __base__=dg.Model, **fields)


def _written_as(name: str, annotation: Any) -> Any:
    """The type of an attribute. YAML reads a bare on or off as a boolean."""
    if name in FOLDERS:
        return str | None
    return annotation | str | (bool if "on" in get_args(annotation) else None) | None


class RagPipelineScaffolder(dg.Scaffolder[Any]):
    """Writes a pipeline that runs as it is: a source of six pages, ten judged questions, and the policy."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        attributes = {"home": "{{ context.project_root }}/.rag", "contracts": "contracts", "evals": "evals"}
        if request.scaffold_format == "python":
            raise PipelineError("RagPipeline is written in YAML: its attributes are the settings; leave --format python out")
        scaffold_component(request, attributes)
        add_example(request.target_path.parent if request.append else request.target_path, owner="retrieval")


@dg.scaffold_with(RagPipelineScaffolder)
class RagPipeline(dg.Component):
    """A release pipeline for retrieval indexes: contracts, evaluation and a gate in front of every index.

    Attributes are the settings of docs/commands.md without their RAG_: `home`, `contracts`, `evals`, `key_prefix`,
    `group_name`, `schedules`, … A folder is relative to the file that names it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return _attributes()

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        produces = ["asset", "asset_check", "job", "schedule", "sensor"]
        return dg.ComponentTypeSpec(description=(cls.__doc__ or "").strip(), tags=["rag", "retrieval"], produces=produces)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """The component for what its YAML says. Raises `PipelineError` with the attribute, and what to write."""
        given = attributes.model_dump(exclude_unset=True, exclude_none=True) if attributes else {}
        template = LoadContextScope(context)  # type: ignore[no-untyped-call]  # as for components that are Resolvable
        scope = context.with_rendering_scope({"context": template}).resolution_context
        resolved = {name: scope.resolve_value(value) for name, value in given.items()}
        values = {name: value for name, value in resolved.items() if value is not None}
        folders = {HOME: context.project_root / RAG, CONTRACTS: context.path / CONTRACTS, EVALS: context.path / EVALS}
        return cls(settings_of(_in_full(values, context.path), _as_written, folders))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        from rag_pipeline.defs.graph import build
        from rag_pipeline.defs.ready import check_ready
        from rag_pipeline.home_mark import check_home, claim_home

        check_home(self.settings)
        check_ready(self.settings)
        found = build(self.settings, alone=False)
        claim_home(self.settings)
        return found


def _in_full(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The values, with folders relative to that of the YAML."""
    relative = {name: value for name, value in values.items() if name in FOLDERS and isinstance(value, str)}
    plain = {name: value for name, value in relative.items() if value.strip() and ":/" not in value}
    return {**values, **{name: folder / Path(value).expanduser() for name, value in plain.items()}}


def _as_written(setting: str) -> str:
    return f"attributes.{setting}"
