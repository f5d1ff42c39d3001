"""Older forms of the standard, and other standards, in which contracts were published: what to write instead.

Sources: the changelog of ODCS (https://bitol-io.github.io/open-data-contract-standard/latest/changelog/) and the Data
Contract Specification (https://datacontract-specification.com).
"""

from typing import Any

RENAMED = {
    "uuid": "`id` names a contract since v3",
    "dataset": "tables are described in `schema` since v3",
    "datasetName": "remove it, or write it as `dataProduct`",
    "datasetDomain": "`domain` since v3",
    "quantumName": "`dataProduct` since v3",
    "userConsumptionMode": "it was removed in v3; remove it",
    "sourcePlatform": "it was removed in v3; `servers` says where the feed is",
    "sourceSystem": "it was removed in v3; `servers` says where the feed is",
    "datasetProject": "it was removed in v3; `servers` says where the feed is",
    "datasetKind": "it was removed in v3; remove it",
    "driver": "it was removed in v3; `servers` says where the feed is",
    "driverVersion": "it was removed in v3; `servers` says where the feed is",
    "server": "`servers` is a list of such since v3",
    "username": "a contract holds no credentials since v3; set them in the environment",
    "password": "a contract holds no credentials since v3; set them in the environment",
    "schedulerAppName": "it was removed in v3; remove it",
    "productSlackChannel": "`support` holds channels since v3",
    "productDl": "`support` holds channels since v3",
    "stakeholders": "`team` with `members` since v3",
    "columns": "`properties` since v3",
    "column": "`name` of a property since v3; of a promise (slaProperties) `element`",
    "table": "`name` of an entry of `schema` since v3",
    "tableName": "`name` of an entry of `schema` since v3",
    "businessTerm": "`businessName` since v3",
    "isPrimaryKey": "`primaryKey` since v3",
    "isPrimary": "`primaryKey` since v3",
    "primaryKeyPositionInTable": "`primaryKeyPosition` since v3",
    "isNullable": "`required` with the opposite value since v3",
    "nullable": "`required` with the opposite value",
    "isUnique": "`unique` since v3",
    "clusterStatus": "it was removed in v3; remove it",
    "partitionStatus": "`partitioned` since v3",
    "criticalDataElementStatus": "`criticalDataElement` since v3",
    "encryptedColumnName": "`encryptedName` since v3",
    "sampleValues": "`examples` since v3",
    "rule": "`metric` since v3.1, for instance `metric: missingValues`",
    "toolName": "`engine` with `type: custom` since v3",
    "templateName": "`metric` since v3.1",
    "systemInstance": "it was removed in v3; remove it",
    "contractCreatedTimestamp": "`contractCreatedTs`",
}
"""Fields that were called otherwise, or are gone."""


_OF_V2 = ("dataset", "quantumName", "uuid", "datasetName", "datasetDomain")

_AS_TEXT = "write logicalType: string: lists and objects are taken as JSON text"

UNSUPPORTED = {
    "object": _AS_TEXT,
    "array": _AS_TEXT,
    "map": _AS_TEXT,
    "vector": "leave the column out: the pipeline makes the vectors",
    "time": "write logicalType: string",
}
"""Types of the standard that no column here has, and what to write instead."""


def other_form(content: dict[Any, Any]) -> tuple[str, str] | None:
    """The field that shows a contract to be of another standard or version, or no contract at all, and what to do."""
    if "dataContractSpecification" in content or {"info", "models"} <= content.keys():
        return (
            "dataContractSpecification" if "dataContractSpecification" in content else "models",
            "this is a contract in the Data Contract Specification; convert it to ODCS v3.2.0 "
            "(datacontract export --format odcs), and add a `role` to the columns of key and text",
        )
    version = content.get("apiVersion")
    if isinstance(version, int | float) and not isinstance(version, bool):
        return "apiVersion", f"{version} is a number; write apiVersion: v3.2.0"
    major = version.lstrip("v").split(".")[0] if isinstance(version, str) else ""
    if major in ("0", "1", "2"):
        return "apiVersion", f"{version} is not supported: v3 renamed most fields; write the contract in v3.2.0"
    if major.isdigit() and int(major) > 3:
        return "apiVersion", f"{version} is not supported: it is newer than what is read here; write the contract in v3.2.0"
    if "apiVersion" not in content and "schema" not in content and (old := [one for one in _OF_V2 if one in content]):
        return old[0], "an old version of the standard (v2), which v3 renamed most fields of; write the contract in v3.2.0"
    if "apiVersion" not in content and "kind" not in content:
        says = "there is no apiVersion and no kind, so this is not a contract in the Open Data Contract Standard"
        return next(iter(map(str, content)), ""), f"{says}; one begins with `apiVersion: v3.2.0` and `kind: DataContract`"
    return None
