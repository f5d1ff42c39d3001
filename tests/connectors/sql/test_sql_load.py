"""A contract whose feed is a database, loaded night after night as a refresh does it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.ingest.tables import source_tables
from rag_pipeline.settings import Secrets
from tests.conftest import Workspace, column, files_contract
from tests.support.postgres_server import Database
from tests.support.sql_nights import CREDENTIALS, SECRET
from tests.support.sqlite_files import write

NIGHT = datetime(2026, 3, 1, 2, tzinfo=UTC)


class Wiki:
    """A source called `wiki` that is read from a database."""

    def __init__(self, workspace: Workspace, server: dict[str, Any], **changes: Any) -> None:
        own = {**server, "server": "x"}
        properties = {
            "table": "articles",
            "cursor": "changed_at",
            "retries": 0,
            **server.get("customProperties", {}),
            **changes,
        }
        own["customProperties"] = [{"property": name, "value": value} for name, value in properties.items() if value != ""]
        columns = [
            column("id", role="key", required=True, logicalType="integer", primaryKey=True),
            column("title", role="title"),
            column("text", role="text", required=True),
            column("changed_at", role="modified_at", logicalType="timestamp"),
        ]
        limits = [{"property": "volumeMaxDropPercent", "value": 50}, {"property": "quarantineMaxPercent", "value": 50}]
        content = files_contract(
            "", id="wiki", servers=[own], schema=[{"name": "articles", "properties": columns}], customProperties=limits
        )
        self.contract = read_contract(workspace.contract("wiki", content))
        self.home = workspace.home
        self.nights = 0

    def load(self, environment: dict[str, str] = CREDENTIALS) -> LoadReport:
        self.nights += 1
        now = NIGHT + timedelta(days=self.nights)
        secrets = Secrets(environment=environment)
        return load_source(self.contract, self.home, run_id=f"night-{self.nights}", now=now, secrets=secrets)

    def texts(self) -> dict[str, str]:
        rows = source_tables(self.home, "wiki").documents.scan().select("key", "text").collect()
        return dict(rows.iter_rows())


@pytest.fixture
def wiki(workspace: Workspace, articles: Database) -> Wiki:
    server = {
        "type": "postgres",
        "host": "127.0.0.1",
        "port": articles.server.port,
        "database": articles.name,
        "schema": "public",
    }
    return Wiki(workspace, server)


def test_a_postgres_source_costs_what_changed(wiki: Wiki, articles: Database) -> None:
    first = wiki.load()
    assert (first.outcome, first.items_listed, first.items_read, first.documents) == ("accepted", 3, 3, 3)
    assert wiki.texts() == {"1": "Text 1.", "2": "Text 2.", "3": "Text 3."}
    second = wiki.load()
    assert (second.outcome, second.items_read, second.data_version) == ("unchanged", 0, first.data_version)
    articles.wait_for_no_connection()
    articles.execute(
        "UPDATE articles SET text = 'Edited.', changed_at = now() WHERE id = 2", "DELETE FROM articles WHERE id = 3"
    )
    third = wiki.load()
    assert (third.outcome, third.items_read, third.changed, third.removed) == ("accepted", 1, ("wiki/2",), ("wiki/3",))
    assert wiki.texts() == {"1": "Text 1.", "2": "Edited."}
    articles.wait_for_no_connection()


def test_a_database_that_is_away_holds_the_source_until_it_is_back(wiki: Wiki, articles: Database) -> None:
    good = wiki.load()
    articles.execute("UPDATE articles SET text = 'Edited.', changed_at = now() WHERE id = 2")
    articles.server.stop()
    held = wiki.load()
    assert (held.outcome, held.data_version) == ("held", good.data_version)
    assert held.reason.startswith(f"the feed could not be listed: the database {articles.url} could not be reached")
    articles.server.start()
    assert wiki.load().changed == ("wiki/2",)


def test_a_wrong_password_is_in_no_report_and_no_file(wiki: Wiki, articles: Database) -> None:
    held = wiki.load({**CREDENTIALS, "RAG_WIKI_PASSWORD": SECRET})
    assert held.outcome == "held"
    assert "set RAG_WIKI_USER and RAG_WIKI_PASSWORD" in held.reason
    assert SECRET not in repr(held)
    assert not [path for path in wiki.home.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_rows_that_cannot_be_told_apart_are_in_quarantine_and_none_is_lost(wiki: Wiki, articles: Database) -> None:
    articles.execute("ALTER TABLE articles DROP CONSTRAINT articles_pkey", "ALTER TABLE articles ALTER id DROP NOT NULL")
    articles.insert("articles", [(None, "No key", "Nameless.", "2026-01-01"), (2, "Again", "Later.", "2026-01-09")])
    report = wiki.load()
    assert (report.rows_in, report.good, report.refused, report.superseded) == (5, 3, 1, 1)
    assert wiki.texts() == {"1": "Text 1.", "2": "Later.", "3": "Text 3."}
    assert {(refusal.item, refusal.kind) for refusal in report.refusals} == {
        ("rows without a key", "refused"),
        ("2", "superseded"),
    }


def test_a_column_the_contract_requires_and_the_table_lost_holds_the_source(wiki: Wiki, articles: Database) -> None:
    wiki.load()
    articles.execute("ALTER TABLE articles RENAME COLUMN text TO body", "UPDATE articles SET changed_at = now()")
    held = wiki.load()
    assert held.outcome == "held"
    assert "column text is required but missing from the feed" in held.reason
    assert wiki.texts() == {"1": "Text 1.", "2": "Text 2.", "3": "Text 3."}


def test_a_table_that_was_emptied_holds_the_source(wiki: Wiki, articles: Database) -> None:
    wiki.load()
    articles.execute("DELETE FROM articles")
    assert wiki.load().outcome == "held"
    assert len(wiki.texts()) == 3


def test_a_table_without_a_cursor_is_read_every_night_and_changes_nothing_when_it_did_not(
    workspace: Workspace, tmp_path: Path
) -> None:
    rows = [(number, f"Title {number}", f"Text {number}.", "2026-01-01T00:00:00") for number in (1, 2, 3)]
    file = write(tmp_path / "feed.db", "CREATE TABLE articles (id, title, text, changed_at)", rows=rows)
    server = {"type": "custom", "location": f"sqlite:///{file}"}
    query = "SELECT id, title, text, changed_at FROM articles WHERE id > 1;"
    wiki = Wiki(workspace, server, connector="sql", query=query, table="", cursor="")
    assert wiki.load({}).documents == 2
    again = wiki.load({})
    assert (again.outcome, again.items_read, again.changed) == ("unchanged", 1, ())
    write(file, "DELETE FROM articles WHERE id = 2", "UPDATE articles SET text = 'New.' WHERE id = 3")
    assert (wiki.load({}).removed, wiki.texts()) == (("wiki/2",), {"3": "New."})
