"""Events as a receiver gets them, held against the classes that OpenLineage's client is generated from its schema with."""

import pkgutil
from importlib import import_module
from typing import Any

import attr
import openlineage.client.generated as generated
from openlineage.client import event_v2 as ol
from openlineage.client.generated.column_lineage_dataset import Fields, InputField, Transformation
from openlineage.client.generated.data_quality_assertions_dataset import Assertion
from openlineage.client.generated.data_quality_metrics_input_dataset import ColumnMetrics
from openlineage.client.generated.parent_run import Job, Run
from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields

_INSIDE: dict[str, dict[str, Any]] = {
    "schema": {"fields": SchemaDatasetFacetFields},
    "columnLineage": {"fields": Fields},
    "dataQualityAssertions": {"assertions": Assertion},
    "dataQualityMetrics": {"columnMetrics": ColumnMetrics},
    "parent": {"run": Run, "job": Job},
}
"""Facet -> field -> the class of what is in it."""


def _facets() -> dict[str, Any]:
    modules = [import_module(f"{generated.__name__}.{one.name}") for one in pkgutil.iter_modules(generated.__path__)]
    classes = [found for module in modules for found in vars(module).values() if attr.has(found)]
    return {found._get_schema(): found for found in classes if hasattr(found, "_get_schema")}


_KNOWN = _facets()


def held_to_the_standard(event: dict[str, Any]) -> None:
    """Raises when the event has a field the standard does not know, lacks one, or has a value it does not allow."""
    assert event["schemaURL"] == ol.RunEvent._get_schema()
    assert event["eventType"] in ol.RunState.__members__
    ol.RunEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=ol.Run(**_with_facets(event["run"], "facets")),
        job=ol.Job(**_with_facets(event["job"], "facets")),
        inputs=[ol.InputDataset(**_with_facets(one, "facets", "inputFacets")) for one in event["inputs"]],
        outputs=[ol.OutputDataset(**_with_facets(one, "facets", "outputFacets")) for one in event["outputs"]],
    )
    assert set(event) <= {"schemaURL", "eventType", "eventTime", "producer", "run", "job", "inputs", "outputs"}


def _with_facets(part: dict[str, Any], *fields: str) -> dict[str, Any]:
    return part | {field: {name: _facet(name, one) for name, one in part.get(field, {}).items()} for field in fields}


def _facet(name: str, facet: dict[str, Any]) -> Any:
    assert facet["_producer"].startswith("urn:")
    made = {key.lstrip("_"): value for key, value in facet.items() if key != "_schemaURL"}
    for field, kind in _INSIDE.get(name, {}).items():
        made[field] = _each(kind, made[field])
    return _KNOWN[facet["_schemaURL"]](**made)


def _each(kind: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [kind(**one) for one in value]
    if kind in (Run, Job):
        return kind(**value)
    if kind is Fields:
        return {
            name: Fields(inputFields=[_input_field(origin) for origin in one["inputFields"]]) for name, one in value.items()
        }
    return {name: kind(**one) for name, one in value.items()}


def _input_field(origin: dict[str, Any]) -> InputField:
    return InputField(**origin | {"transformations": [Transformation(**one) for one in origin["transformations"]]})
