"""Plain facts -> an event of OpenLineage, with the facets of its standard and none of our own.

Sources: https://openlineage.io/docs/spec/facets/ and the schemas the client's classes are generated from.
"""

from typing import TYPE_CHECKING, Any

from rag_pipeline.lineage.facts import Assertion, Dataset, Event, Origin

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

PRODUCER = "urn:rag-pipeline:lineage"
"""Who says so: OpenLineage wants a URI."""


def event_of(event: Event) -> "RunEvent":
    """The event as the client sends it. Needs the package openlineage-python."""
    from openlineage.client import event_v2 as ol
    from openlineage.client import facet_v2 as facets

    run = event.run
    told: dict[str, Any] = {
        "parent": facets.parent_run.ParentRunFacet(
            run=facets.parent_run.Run(runId=run.parent_id),
            job=facets.parent_run.Job(namespace=run.parent.namespace, name=run.parent.name),
            producer=PRODUCER,
        ),
        "processing_engine": facets.processing_engine_run.ProcessingEngineRunFacet(
            version=run.engine, name="Dagster", producer=PRODUCER
        ),
    }
    if event.error:
        told["errorMessage"] = facets.error_message_run.ErrorMessageRunFacet(
            message=event.error, programmingLanguage="PYTHON", producer=PRODUCER
        )
    kind = facets.job_type_job.JobTypeJobFacet(
        processingType="BATCH", integration="DAGSTER", jobType="STEP", producer=PRODUCER
    )
    return ol.RunEvent(
        eventType=ol.RunState[event.kind],
        eventTime=event.at.isoformat(),
        run=ol.Run(runId=run.id, facets=told),
        job=ol.Job(namespace=run.job.namespace, name=run.job.name, facets={"jobType": kind}),
        inputs=[_input(one) for one in event.inputs],
        outputs=[_output(one) for one in event.outputs],
        producer=PRODUCER,
    )


def _input(dataset: Dataset) -> "InputDataset":
    from openlineage.client import event_v2 as ol
    from openlineage.client import facet_v2 as facets

    told: dict[str, Any] = {}
    if dataset.assertions:
        told["dataQualityAssertions"] = facets.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
            assertions=[_assertion(one) for one in dataset.assertions], producer=PRODUCER
        )
        told["dataQualityMetrics"] = facets.data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            rowCount=dataset.rows,
            columnMetrics={
                name: facets.data_quality_metrics_input_dataset.ColumnMetrics(nullCount=count)
                for name, count in dataset.empty.items()
            },
            producer=PRODUCER,
        )
    at = dataset.at
    return ol.InputDataset(namespace=at.namespace, name=at.name, facets=_facets(dataset), inputFacets=told)


def _output(dataset: Dataset) -> "OutputDataset":
    from openlineage.client import event_v2 as ol
    from openlineage.client import facet_v2 as facets

    told: dict[str, Any] = {}
    if dataset.rows is not None:
        told["outputStatistics"] = facets.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=dataset.rows, producer=PRODUCER
        )
    at = dataset.at
    return ol.OutputDataset(namespace=at.namespace, name=at.name, facets=_facets(dataset), outputFacets=told)


def _facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client import facet_v2 as facets

    told: dict[str, Any] = {}
    if dataset.fields:
        fields = facets.schema_dataset.SchemaDatasetFacetFields
        told["schema"] = facets.schema_dataset.SchemaDatasetFacet(
            fields=[fields(one.name, one.type, one.description or None) for one in dataset.fields], producer=PRODUCER
        )
    if dataset.version:
        told["version"] = facets.dataset_version_dataset.DatasetVersionDatasetFacet(dataset.version, producer=PRODUCER)
    if dataset.origins:
        told["columnLineage"] = facets.column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={
                name: facets.column_lineage_dataset.Fields(inputFields=list(map(_origin, origins)))
                for name, origins in dataset.origins.items()
            },
            producer=PRODUCER,
        )
    return told


def _origin(origin: Origin) -> Any:
    from openlineage.client import facet_v2 as facets

    how = facets.column_lineage_dataset.Transformation(
        type="DIRECT", subtype="IDENTITY" if origin.same else "TRANSFORMATION", masking=origin.masked
    )
    return facets.column_lineage_dataset.InputField(
        namespace=origin.dataset.namespace, name=origin.dataset.name, field=origin.field, transformations=[how]
    )


def _assertion(one: Assertion) -> Any:
    from openlineage.client import facet_v2 as facets

    return facets.data_quality_assertions_dataset.Assertion(
        assertion=one.kind,
        success=one.passed,
        column=one.column,
        severity=one.severity,
        name=one.name,
        expected=one.expected,
        actual=one.actual,
    )
