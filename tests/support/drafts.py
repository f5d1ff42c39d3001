"""Builders for tests of `rag contract new`: a feed, the contract drafted for it, and the load of that very feed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.drafting import Draft, DraftRequest, draft_contract
from rag_pipeline.drafting.plan import PlannedColumn
from rag_pipeline.errors import PipelineError
from rag_pipeline.home import Home
from rag_pipeline.ingest.load import load_source
from rag_pipeline.ingest.report import LoadReport
from rag_pipeline.settings import Secrets

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
SECRETS = Secrets(salt="pepper")

DOCUMENT_ROLES = {"key": ["path"], "text": ["text"], "title": ["title"], "uri": ["uri"], "modified_at": ["modified_at"]}


@dataclass
class Desk:
    """A folder in which feeds lie, and beside them the contracts drafted for them."""

    root: Path
    secrets: Secrets = SECRETS
    loads: int = 0

    @property
    def contracts(self) -> Path:
        return self.root / "contracts"

    def draft(self, *places: str | Path, again: bool = False, **wishes: Any) -> Draft:
        """Draft and write a contract. `again`: replace the one that is there."""
        wish = replace(DraftRequest(tuple(map(str, places)), self.contracts), **wishes)
        draft = draft_contract(wish, self.secrets, NOW, replace=again)
        draft.write(replace=again)
        assert draft.file.read_text(encoding="utf-8") == draft.text
        return draft

    def refusal(self, *places: str | Path, **wishes: Any) -> str:
        """Why nothing is drafted; nothing is written then."""
        before = sorted(self.contracts.glob("*"))
        with pytest.raises(PipelineError) as caught:
            self.draft(*places, **wishes)
        assert sorted(self.contracts.glob("*")) == before
        return str(caught.value)

    def load(self, draft: Draft) -> LoadReport:
        """Load what a contract was drafted from: the contract is valid, the load is taken, no row is lost."""
        self.loads += 1
        home = Home(self.root / f"home{self.loads}")
        report = load_source(read_contract(draft.file), home, run_id="first", now=NOW, secrets=self.secrets)
        assert report.outcome == "accepted", report.reason
        assert report.rows_in == report.good + report.refused + report.superseded + report.expired
        assert all(result.holds for result in report.quality), [result.says for result in report.quality]
        return report

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def jsonl(self, rows: Iterable[Any], name: str = "feed.jsonl") -> Path:
        return self.write(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def articles(count: int, **columns: Any) -> list[dict[str, Any]]:
    """Rows with an id and a text; `columns` make further values of a row's number."""
    return [
        {"id": number, "text": f"Article {number} says something about owls and mice."}
        | {name: make(number) for name, make in columns.items()}
        for number in range(1, count + 1)
    ]


def column_of(draft: Draft, name: str) -> PlannedColumn:
    return next(column for column in draft.columns if column.name == name)


def roles_of(draft: Draft) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {}
    for column in draft.columns:
        if column.role:
            roles.setdefault(column.role, []).append(column.name)
    return roles
