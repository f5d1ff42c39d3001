"""Drafting a contract from a table of PostgreSQL, with types of its own and credentials from the environment."""

from pathlib import Path

from rag_pipeline.connectors import DatabaseWish
from rag_pipeline.connectors.sql.server import SqlServer
from rag_pipeline.contracts.read import read_contract
from rag_pipeline.settings import Secrets
from tests.support.drafts import Desk, column_of, roles_of
from tests.support.feeds import server_of
from tests.support.postgres_server import Database
from tests.support.sql_nights import CREDENTIALS, SECRET


def test_a_table_of_postgresql_is_drafted_and_loaded(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE SCHEMA docs")
    database.execute(
        "CREATE TABLE docs.notes (id uuid PRIMARY KEY, body text, price numeric(8, 2), day date, changed_at timestamptz, "
        "flags jsonb, active boolean)"
    )
    database.execute(
        "INSERT INTO docs.notes SELECT gen_random_uuid(), 'Note ' || n || ' is about owls.', n * 1.5, "
        "date '2026-01-01' + n, timestamptz '2026-02-01 10:00+00' + n * interval '1 hour', '{\"a\": 1}', n % 2 = 0 "
        "FROM generate_series(1, 60) AS n"
    )
    desk = Desk(tmp_path, Secrets("pepper", CREDENTIALS))
    draft = desk.draft(database.url, source="wiki", database=DatabaseWish(table="docs.notes", cursor="changed_at"))
    assert "type: postgres" in draft.text and "schema: docs" in draft.text
    assert roles_of(draft) == {"key": ["id"], "text": ["body"], "modified_at": ["changed_at"]}
    types = {name: column_of(draft, name).logical_type for name in ("price", "day", "changed_at", "flags", "active")}
    assert types == {"price": "number", "day": "date", "changed_at": "timestamp", "flags": "string", "active": "boolean"}
    assert column_of(draft, "id").options == {"format": "uuid"}
    assert server_of(read_contract(draft.file), SqlServer).table == "docs.notes"
    report = desk.load(draft)
    assert (report.good, report.items_listed) == (60, 60)


def test_a_wrong_password_is_told_without_it(database: Database, tmp_path: Path) -> None:
    database.execute("CREATE TABLE notes (id int, body text)")
    wrong = Secrets(environment={**CREDENTIALS, "RAG_WIKI_PASSWORD": SECRET})
    said = Desk(tmp_path, wrong).refusal(database.url, source="wiki", database=DatabaseWish(table="notes"))
    assert "RAG_WIKI_PASSWORD" in said and SECRET not in said
