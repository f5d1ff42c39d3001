"""Contracts in the shapes that are published: each is taken, or told in one sentence what it is and what to write.

The shapes are those of ODCS v2.2 to v3.1, of the Data Contract Specification, and of files that are neither; the files are
our own. Sources: https://bitol-io.github.io/open-data-contract-standard/latest/, https://datacontract-specification.com.
"""

from pathlib import Path

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import ContractError

BASE = """\
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
version: 1.1.0
status: active
"""
SERVER = "servers:\n  - {server: here, type: local, format: jsonl, path: rows.jsonl}\n"
SCHEMA = """\
schema:
  - name: articles
    physicalName: articles_v1
    physicalType: table
    description: One row an article.
    properties:
      - {name: id, logicalType: string, primaryKey: true, required: true}
      - {name: body, logicalType: string, required: true, customProperties: [{property: role, value: text}]}
"""
GOOD = BASE + "team: {name: docs}\n" + SERVER + SCHEMA


def column(text: str) -> str:
    """With one more column."""
    return GOOD + "".join(f"      {line}\n" for line in text.splitlines())


def quality(text: str) -> str:
    """With one rule of quality."""
    return GOOD + "    quality:\n" + "".join(f"      {line}\n" for line in text.splitlines())


def server(text: str) -> str:
    """With another server."""
    return GOOD.replace(SERVER, f"servers:\n  - {{server: here, {text}}}\n")


SHAPES: dict[str, str] = {
    "3.0, plain": GOOD.replace("v3.1.0", "v3.0.2"),
    "3.1, team list": GOOD.replace(
        "team: {name: docs}\n",
        (
            "team:\n"
            "  - {username: ceastwood, role: Data Scientist, dateIn: 2022-08-02, dateOut: 2022-10-01}\n"
            "  - {username: mhopper, role: Owner}\n"
        ),
    ),
    "servers mapping": GOOD.replace(SERVER, "servers:\n  production: {type: local, format: jsonl, path: rows.jsonl}\n"),
    "two tables": GOOD + "  - name: authors\n    properties:\n      - {name: id, logicalType: string}\n",
    "no schema": BASE + "team: {name: docs}\n" + SERVER,
    "empty schema": BASE + "team: {name: docs}\n" + SERVER + "schema: []\n",
    "no servers": BASE + "team: {name: docs}\n" + SCHEMA,
    "no team": BASE + SERVER + SCHEMA,
    "nested object": column("- name: author\n  logicalType: object\n  properties:\n    - {name: name, logicalType: string}"),
    "array": column("- name: tags\n  logicalType: array\n  items: {logicalType: string}"),
    "map": column("- {name: extra, logicalType: map}"),
    "time": column("- {name: at, logicalType: time}"),
    "physicalType only": column("- {name: n, physicalType: VARCHAR(18)}"),
    "type varchar": column("- {name: n, logicalType: varchar}"),
    "quality sql": quality("- {type: sql, query: 'SELECT COUNT(*) FROM ${table}', mustBeGreaterThan: 10}"),
    "quality text": quality("- {type: text, description: Articles are fresh.}"),
    "quality library": quality("- {type: library, metric: rowCount, mustBeGreaterThan: 10, unit: rows}"),
    "quality library 3.0 rule": quality("- {type: library, rule: duplicateCount, mustBeLessThan: 10, unit: percent}"),
    "quality soda": quality("- type: custom\n  engine: soda\n  implementation: |\n    type: duplicate_percent"),
    "quality gx": quality(
        "- type: custom\n"
        "  engine: greatExpectations\n"
        "  implementation: {type: expect_table_row_count_to_be_between, kwargs: {minValue: 1}}"
    ),
    "quality dbt": quality("- {type: custom, engine: dbt, implementation: 'x'}"),
    "quality monteCarlo": quality("- {type: custom, engine: montecarlo, implementation: 'x'}"),
    "quality with schedule": quality(
        "- {type: sql, query: 'SELECT 1', mustBe: 1, scheduler: cron, schedule: 0 20 * * *, "
        "businessImpact: operational, dimension: completeness, severity: error, method: reconciliation}"
    ),
    "sla latency": GOOD + "slaProperties:\n  - {property: latency, value: 4, unit: d, element: tab1.txn_ref_dt}\n",
    "sla general": GOOD
    + (
        "slaProperties:\n"
        "  - {property: generalAvailability, value: '2022-05-12T09:30:10-08:00'}\n"
        "  - {property: endOfSupport, value: '2032-05-12T09:30:10-08:00'}\n"
        "  - {property: retention, value: 3, unit: y, element: articles.id}\n"
    ),
    "sla default element": GOOD
    + "slaDefaultElement: articles.id\nslaProperties:\n  - {property: latency, value: 4, unit: d}\n",
    "sla frequency": GOOD
    + (
        "slaProperties:\n"
        "  - {property: frequency, value: 1, valueExt: 1, unit: d, element: articles.id}\n"
        "  - {property: timeOfAvailability, value: '09:00-08:00', element: articles.id, driver: regulatory}\n"
    ),
    "sla mapping": GOOD + "slaProperties: {property: latency, value: 4, unit: d}\n",
    "roles": GOOD
    + (
        "roles:\n"
        "  - {role: microstrategy_user_opr, access: read, firstLevelApprovers: Reporting Manager, "
        "secondLevelApprovers: mandolorian}\n"
    ),
    "price": GOOD + "price: {priceAmount: 9.95, priceCurrency: USD, priceUnit: megabyte}\n",
    "authoritative": GOOD + "authoritativeDefinitions:\n  - {url: 'https://example.com/gdpr', type: privacy-statement}\n",
    "support": GOOD + "support:\n  - {channel: '#help', tool: slack, url: 'https://example.com/slack'}\n",
    "tags": GOOD + ("tags: [finance, sensitive]\ndomain: seller\ndataProduct: my quantum\ntenant: ClimateQuantumInc\n"),
    "description full": GOOD
    + (
        "description: {purpose: Views, limitations: Not based on usage, usage: Predict sales, "
        "authoritativeDefinitions: [{type: privacy-statement, url: 'https://example.com'}]}\n"
    ),
    "description text": GOOD + "description: Views built on top of the seller tables.\n",
    "contractCreatedTs": GOOD + "contractCreatedTs: '2022-11-15T02:59:43+00:00'\n",
    "custom properties": GOOD + "customProperties:\n  - {property: refRulesetName, value: gcsc.ruleset.name}\n",
    "custom on column": column("- name: n\n  logicalType: string\n  customProperties: [{property: pii, value: true}]"),
    "column everything": column(
        "- name: n\n"
        "  physicalName: n_1\n"
        "  logicalType: string\n"
        "  physicalType: varchar(18)\n"
        "  businessName: N\n"
        "  partitioned: true\n"
        "  partitionKeyPosition: 1\n"
        "  criticalDataElement: false\n"
        "  transformSourceObjects: [t1, t2]\n"
        "  transformLogic: select 1\n"
        "  transformDescription: join\n"
        "  classification: public\n"
        "  examples: [a, b]\n"
        "  encryptedName: n_enc\n"
        "  tags: [x]\n"
        "  description: d"
    ),
    "relationships": column("- name: n\n  logicalType: string\n  relationships: [{to: authors.id}]"),
    "server bigquery": server("type: bigquery, project: p, dataset: d"),
    "server snowflake": server("type: snowflake, account: a, database: d, schema: s, port: 3306"),
    "server databricks": server("type: databricks, host: h, catalog: c, schema: s"),
    "server kafka": server("type: kafka, host: h, format: json"),
    "server s3": server("type: s3, location: 's3://bucket/rows/*.jsonl', format: jsonl"),
    "server s3 delta": server("type: s3, location: 's3://bucket/rows', format: delta"),
    "server postgres": server("type: postgres, host: h, port: 5432, database: d, schema: public"),
    "server api": server("type: api, location: 'https://example.com'"),
    "two servers": GOOD.replace(SERVER, SERVER + "  - {server: test, type: local, format: jsonl, path: t.jsonl}\n"),
    "variables": GOOD.replace("path: rows.jsonl", "path: '${DATA_PATH}/rows.jsonl'"),
    "2.2": """\
datasetDomain: seller
quantumName: my quantum
userConsumptionMode: Analytical
version: 1.1.0
status: current
uuid: 53581432-6c55-4ba2-a65f-72344a91553a
kind: virtualDataset
apiVersion: v2.2.2
type: tables
dataset:
  - table: tbl
    columns:
      - {column: txn_ref_dt, isPrimary: false, businessName: reference date, physicalType: date, isNullable: false}
stakeholders:
  - {username: ceastwood, role: Data Scientist, dateIn: 2022-08-02}
slaProperties:
  - {property: latency, value: 4, unit: d, column: tab1.txn_ref_dt}
username: '${env.username}'
password: '${env.password}'
""",
    "2.3 apiVersion 2.3.0": BASE.replace("v3.1.0", "2.3.0") + SCHEMA,
    "no apiVersion but v2 fields": (
        "uuid: x\nversion: 1.0.0\nstatus: current\nkind: DataContract\nquantumName: q\ndataset: []\n"
    ),
    "v3 with v2 columns": GOOD.replace("    properties:", "    columns:"),
    "v4": GOOD.replace("v3.1.0", "v4.0.0"),
    "apiVersion number": GOOD.replace("v3.1.0", "3.1"),
    "DCS": (
        "dataContractSpecification: 1.1.0\nid: orders-latest\ninfo: {title: Orders, version: 1.0.0}\n"
        "servers: {production: {type: s3, location: 's3://x/*.json', format: json}}\nmodels:\n"
        "  orders:\n    type: table\n    fields:\n      order_id: {type: text, required: true}\n"
    ),
    "DCS without version": "id: orders\ninfo: {title: Orders}\nmodels: {orders: {fields: {a: {type: text}}}}\n",
    "empty": "",
    "comment": "# nothing\n",
    "json schema": (
        '{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"a": {"type": "string"}}}\n'
    ),
    "dbt": "version: 2\nmodels:\n  - name: orders\n    columns:\n      - {name: id, tests: [unique]}\n",
    "json": '{"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1", "status": "active"}\n',
    "html": "<!DOCTYPE html>\n<html><body>Not found</body></html>\n",
    "text": "This contract has moved.\n",
    "markdown": "# My contract\n\n- one\n- two\n",
    "list": "- apiVersion: v3.1.0\n",
    "tabs": "apiVersion: v3.1.0\nteam:\n\tname: docs\n",
    "two documents": GOOD + "---\n" + GOOD,
    "merge conflict": GOOD.replace("status: active\n", "<<<<<<< HEAD\nstatus: active\n=======\nstatus: draft\n>>>>>>> x\n"),
    "jinja": "apiVersion: {{ version }}\nkind: DataContract\n",
    "status missing": GOOD.replace("status: active\n", ""),
    "id missing": GOOD.replace("id: 53581432-6c55-4ba2-a65f-72344a91553a\n", "", 1),
    "version missing": GOOD.replace("version: 1.1.0\n", "", 1),
    "kind wrong": GOOD.replace("kind: DataContract", "kind: virtualDataset"),
    "status draft": GOOD.replace("status: active", "status: draft"),
    "date version": GOOD.replace("version: 1.1.0", "version: 2024-01-01"),
    "number version": GOOD.replace("version: 1.1.0", "version: 1.1"),
    "logicalTypeOptions string on int": column("- {name: n, logicalType: integer, logicalTypeOptions: {maxLength: 3}}"),
    "logicalTypeOptions date format": column(
        "- {name: n, logicalType: date, logicalTypeOptions: {format: yyyy-MM-dd, minimum: '2020-01-01'}}"
    ),
    "timestamp tz": column(
        "- {name: n, logicalType: timestamp, logicalTypeOptions: {timezone: true, defaultTimezone: Etc/UTC}}"
    ),
    "string format": column("- {name: n, logicalType: string, logicalTypeOptions: {format: uuid}}"),
}

SAYS = {
    "3.1, team list": "team: a list of members (v3.0) names no owner by e-mail; write team: {name: …, members:",
    "servers mapping": "servers: is not a list; write each entry on lines of its own that begin with a dash, its",
    "two tables": "schema: 2 tables found; a source's contract describes exactly one",
    "no schema": "schema: 0 tables found; a source's contract describes exactly one",
    "empty schema": "schema: 0 tables found; a source's contract describes exactly one",
    "no servers": "servers: 0 servers found; say where this one feed is",
    "no team": "team: no owner; give the team a name, or a member whose username is an e-mail address",
    "nested object": "schema[0].properties[2].logicalType: 'object' is not supported; write logicalType:",
    "array": "schema[0].properties[2].logicalType: 'array' is not supported; write logicalType: string:",
    "map": "schema[0].properties[2].logicalType: 'map' is not supported; write logicalType: string:",
    "time": "schema[0].properties[2].logicalType: 'time' is not supported; write logicalType: string",
    "physicalType only": "schema[0].properties[2].logicalType: is missing; one of string, integer, number, boolean,",
    "type varchar": "schema[0].properties[2].logicalType: unknown value 'varchar'; known: string, date,",
    "quality sql": "schema[0].quality[0].type: rules of type sql are not run here; use a metric, or a",
    "quality library 3.0 rule": "schema[0].quality[0].rule: an older form of the standard; `metric` since v3.1, for",
    "quality soda": "schema[0].quality[0].engine: 'soda' is not run here; write it as a metric (type:",
    "quality gx": "schema[0].quality[0].engine: 'greatExpectations' is not run here; write it as a metric",
    "quality dbt": "schema[0].quality[0].engine: 'dbt' is not run here; write it as a metric (type: library),",
    "quality monteCarlo": "schema[0].quality[0].engine: 'montecarlo' is not run here; write it as a metric (type:",
    "quality with schedule": "schema[0].quality[0].type: rules of type sql are not run here; use a metric, or a",
    "sla latency": "slaProperties[0].element: unknown date or timestamp column 'txn_ref_dt'; none is known",
    "sla general": "slaProperties[2].element: unknown date or timestamp column 'id'; none is known here",
    "sla mapping": "slaProperties: is not a list; write each entry on lines of its own that begin with a dash",
    "description text": "description: 'Views built on top of the seller tables.' is not a mapping of fields; write",
    "server bigquery": "servers[0].type: 'bigquery' has no connector; use one of local, s3, azure, postgres,",
    "server snowflake": "servers[0].type: 'snowflake' has no connector; use one of local, s3, azure, postgres,",
    "server databricks": "servers[0].type: 'databricks' has no connector; use one of local, s3, azure, postgres,",
    "server kafka": "servers[0].type: 'kafka' has no connector; use one of local, s3, azure, postgres,",
    "server s3 delta": "servers[0].format: unknown format 'delta'; known: documents, jsonl, csv, parquet",
    "server api": "servers[0].type: 'api' has no connector; use one of local, s3, azure, postgres,",
    "two servers": "servers: 2 servers found; say where this one feed is",
    "variables": "servers[0].path: '${DATA_PATH}/rows.jsonl': no variables are filled in here; write the",
    "2.2": "apiVersion: v2.2.2 is not supported: v3 renamed most fields; write the contract in v3.2.0",
    "2.3 apiVersion 2.3.0": "apiVersion: 2.3.0 is not supported: v3 renamed most fields; write the contract in v3.2.0",
    "no apiVersion but v2 fields": "dataset: an old version of the standard (v2), which v3 renamed most fields of; "
    "write the",
    "v3 with v2 columns": "schema[0].columns: an older form of the standard; `properties` since v3",
    "v4": "apiVersion: v4.0.0 is not supported: it is newer than what is read here; write the",
    "apiVersion number": "apiVersion: 3.1 is a number; write apiVersion: v3.2.0",
    "DCS": "dataContractSpecification: this is a contract in the Data Contract Specification; convert",
    "DCS without version": "models: this is a contract in the Data Contract Specification; convert it to ODCS v3.2.0",
    "empty": "the file is empty",
    "comment": "the file is empty",
    "json schema": "$schema: there is no apiVersion and no kind, so this is not a contract in the Open Data",
    "dbt": "version: there is no apiVersion and no kind, so this is not a contract in the Open Data",
    "json": "schema: 0 tables found; a source's contract describes exactly one",
    "html": "a contract is a mapping of fields; see the ones beside it",
    "text": "a contract is a mapping of fields; see the ones beside it",
    "markdown": "a contract is a mapping of fields; see the ones beside it",
    "list": "a contract is a mapping of fields; see the ones beside it",
    "tabs": "not valid YAML: found character '\\t' that cannot start any token",
    "two documents": "not valid YAML: but found another document",
    "merge conflict": "not valid YAML: could not find expected ':'",
    "jinja": "not plain YAML: found unhashable key",
    "id missing": "id: is missing",
    "version missing": "version: is missing",
    "kind wrong": "kind: unknown value 'virtualDataset'; known: DataContract",
    "number version": "version: 1.1 is not text; put it in quotes",
    "logicalTypeOptions string on int": "schema[0].properties[2].logicalTypeOptions.maxLength: unknown field "
    "'maxLength'; known:",
}
"""What is told of a shape that is not taken."""


@pytest.mark.parametrize("shape", SHAPES)
def test_a_published_shape_is_taken_or_told_once(tmp_path: Path, shape: str) -> None:
    file = tmp_path / "articles.odcs.yaml"
    file.write_text(SHAPES[shape], encoding="utf-8")
    if shape not in SAYS:
        assert [column.role for column in read_contract(file).columns][:2] == ["key", "text"]
        return
    with pytest.raises(ContractError) as found:
        read_contract(file)
    message = str(found.value)
    assert message.startswith(str(file))
    assert SAYS[shape] in message
    assert len(message.splitlines()) == 1, "one mistake, one message"


def test_every_expectation_is_of_a_shape() -> None:
    assert set(SAYS) <= set(SHAPES)
