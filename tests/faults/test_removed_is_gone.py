"""Fifty planted documents are deleted, edited or expire over three nights; then every byte below RAG_HOME is searched."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from rag_pipeline.corpus.tables import chunks_table, vectors_table
from rag_pipeline.defs.run import Ran, collect, refresh
from rag_pipeline.home import Home
from rag_pipeline.index.base import ERASED
from rag_pipeline.index.candidate import read_candidate
from rag_pipeline.index.manifest import Manifest, read_manifest
from tests.conftest import Workspace, column, files_contract, table_contract
from tests.support.residue import Found, Needles, residue, told

NEVER_HELD = [{"property": "volumeMaxDropPercent", "value": 100}, {"property": "quarantineMaxPercent", "value": 100}]
NOW = datetime.now(UTC)
DELETED, EDITED, EXPIRED = range(15), range(15, 30), range(30, 50)


def word(number: int) -> str:
    """Letters that stand in no other text, and that no stemmer cuts."""
    return "xq" + "".join(chr(97 + int(digit) * 2) for digit in f"{number:03}") + "vjrk"


def secret(number: int) -> str:
    if number in EXPIRED:
        return f"A kettle from {word(number)} was sold for {number} coins, which is yesterday's news."
    return f"The lamp called {word(number)} blinks twice in room {number}, as nobody else may know."


OTHERS = {
    f"pages/{number}.md": f"# Page {number}\n\nPage {number} is of subject {number * 7} only.\n" for number in range(130)
}


def pages(numbers: range) -> dict[str, str]:
    return {f"lamps/{number}.md": f"# Lamp {number}\n\n{secret(number)}\n" for number in numbers}


def row(number: int, age: timedelta) -> dict[str, str]:
    return {"id": f"n{number}", "text": secret(number), "at": (NOW - age).isoformat()}


class Nights:
    """The same two sources, night by night."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.home = workspace.home
        self.pages = OTHERS | pages(DELETED) | pages(EDITED)
        self.kept_days = 3_650
        workspace.golden("lamps", {"which lamp blinks twice in the room": [f"handbook/lamps/{n}.md" for n in EDITED]})
        lenient = {"floors": {"nDCG@10": 0.0}, "not_worse": None, "dead_judgments_max_percent": 100}
        workspace.policy({"lamps": lenient})

    def refresh(self) -> tuple[Ran, Manifest]:
        folder = self.workspace.pages(self.pages)
        for path in folder.rglob("*.md"):
            if path.relative_to(folder).as_posix() not in self.pages:
                path.unlink()
        self.workspace.contract("handbook", files_contract(folder, customProperties=NEVER_HELD))
        news = self.workspace.root / "news.jsonl"
        rows = [row(number, timedelta(days=100)) for number in EXPIRED]
        rows += [row(number, timedelta(0)) | {"text": f"News {number} of today."} for number in range(100, 130)]
        news.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
        kept = {"property": "retention", "element": "rows.at", "value": self.kept_days, "unit": "d"}
        at = column("at", logicalType="timestamp")
        self.workspace.contract("news", table_contract(news, "jsonl", at, slaProperties=[kept], customProperties=NEVER_HELD))
        ran = refresh(self.workspace.settings)
        assert ran.success, (ran.errors, ran.failed_checks)
        return ran, read_manifest(self.home.release(read_candidate(self.home).release))


def needles_of(home: Home, numbers: range) -> Needles:
    """What is planted under some numbers, with the vectors as they are stored now."""
    wanted = chunks_table(home).scan().filter(pl.col("text").str.contains_any([word(number) for number in numbers]))
    vectors = vectors_table(home).scan().join(wanted.select("text_hash"), on="text_hash", how="semi").collect()["vector"]
    assert len(vectors) == len(numbers)
    return Needles([secret(n) for n in numbers], [word(n) for n in numbers], np.array(vectors.to_list()))


def found_in(home: Home, manifest: Manifest, needles: Needles, *hows: str) -> list[Found]:
    return [one for one in residue(home.release(manifest.id), needles) if not hows or one.how in hows]


@pytest.mark.slow
def test_fifty_documents_that_leave_over_three_nights_are_gone(workspace: Workspace) -> None:
    nights = Nights(workspace)
    home = nights.home
    _, first = nights.refresh()
    went, expired = needles_of(home, range(DELETED.start, EDITED.stop)), needles_of(home, EXPIRED)
    known = {one.needle for one in found_in(home, first, went, "vector") if one.file.startswith("chroma/")}
    assert len(known) == len(went.texts), "or the search finds nothing"

    for number in DELETED:
        del nights.pages[f"lamps/{number}.md"]
    for number in EDITED:
        nights.pages[f"lamps/{number}.md"] = f"# Bread\n\nBread number {number} is baked at four.\n"
    ran, second = nights.refresh()
    assert second.origin.base == first.id and second.origin.removed == len(went.texts)
    assert found_in(home, second, went, "text", "postings") == []
    quoting = [*home.root.glob("evidence/*/*"), *home.root.glob("reports/*")]
    assert any(b"vjrk" in path.read_bytes() for path in quoting if path.is_file()), "what was edited is shown to people"
    deleted = Needles(went.texts[: len(DELETED)], went.words[: len(DELETED)])
    assert residue(home.evidence, deleted) == residue(home.reports, deleted) == []

    nights.kept_days = 10
    ran, third = nights.refresh()
    assert ran.assets["news/documents"]["purged"] == len(EXPIRED)
    assert third.origin.rebuilt_because == ERASED
    assert found_in(home, third, expired) == found_in(home, third, went) == []

    nights.pages["new.md"] = "# New\n\nOne more page.\n"
    _, fourth = nights.refresh()
    assert fourth.origin.base == third.id, "only the night of the retention builds whole"
    assert found_in(home, fourth, expired) == found_in(home, fourth, went) == []
    assert residue(home.evidence, expired) == residue(home.reports, expired) == []

    nights.pages["newer.md"] = "# Newer\n\nAnother page.\n"
    nights.refresh()
    for _ in range(2):  # the first makes versions without their vectors, the second removes the versions before
        collect(workspace.settings.model_copy(update={"keep_releases": 1, "keep_days": 0}), dry_run=False)
    everything = [*residue(home.root, expired), *residue(home.root, went), *residue(workspace.root / "dagster", went)]
    assert told(one for one in everything if not _quote_of_an_edited_page(one, went)) == {}


def _quote_of_an_edited_page(found: Found, went: Needles) -> bool:
    """Evidence and reports go on showing what an edited page said, as long as there is the page."""
    edited = {*went.texts[len(DELETED) :], *went.words[len(DELETED) :]}
    return found.file.startswith(("evidence/", "reports/")) and found.needle in edited
