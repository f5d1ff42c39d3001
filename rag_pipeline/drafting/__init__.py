"""A first contract for a feed, drafted from what is there, for a person to finish.

The draft holds nothing private that was seen, and it accepts the very rows it was drafted from.
"""

import difflib
import os
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from rag_pipeline.connectors import Address, DatabaseWish, Found, ReadContext, Sample, Server, look_at
from rag_pipeline.contracts.contract import Contract
from rag_pipeline.contracts.page import Page, slug
from rag_pipeline.contracts.read import NAMED, SUFFIX, read_contract, source_name_problem
from rag_pipeline.contracts.read_server import read_server
from rag_pipeline.contracts.rules import FORMATS
from rag_pipeline.contracts.yaml_lines import YamlFile
from rag_pipeline.drafting.judge import Judged, judge
from rag_pipeline.drafting.looked_at import how_much, usable_columns, why_nothing
from rag_pipeline.drafting.plan import PlannedColumn, plan_columns, plan_privacy
from rag_pipeline.drafting.private import suspect
from rag_pipeline.drafting.roles import Roles, choose_roles, cursor_candidate
from rag_pipeline.drafting.text import Outline, todos, write_text
from rag_pipeline.drafting.where import feed_at, source_name
from rag_pipeline.errors import Named, PipelineError, SourceUnavailable
from rag_pipeline.progress import progress
from rag_pipeline.settings import Secrets

_FEEDS_OWN = Roles(keys=("path",), text="text", title="title", uri="uri", modified_at="modified_at")
"""Roles of the columns every document and page has."""


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """What a person asks for. Empty fields are chosen by what is there; `contracts` is where contracts lie."""

    places: tuple[str, ...]
    contracts: Path
    source: str = ""
    output: Path | None = None
    owner: str = ""
    database: DatabaseWish = DatabaseWish()
    keys: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it lies, as messages name it."""
        return ", ".join(self.places[:3])


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted contract, not written yet. `decide`: what its owner has to."""

    source: str
    file: Path
    text: str
    looked_at: str
    columns: tuple[PlannedColumn, ...]
    sample: Sample
    judged: Judged
    decide: tuple[str, ...]

    def write(self, *, replace: bool) -> None:
        """Write the file, whole or not at all. Raises `PipelineError` when it is there and not to be replaced."""
        if self.file.exists() and not replace:
            raise _is_there(self.file)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}")
            temporary.write_text(self.text, encoding="utf-8")
            temporary.replace(self.file)
        except OSError as error:
            raise PipelineError(
                f"{self.file}: cannot be written ({error.strerror}); name another one with --output"
            ) from error


def draft_contract(wish: DraftRequest, secrets: Secrets, now: datetime, *, replace: bool) -> Draft:
    """Look at a feed and draft its contract.

    Raises `PipelineError` when nothing is found there, no column can be the key or the text, the feed is away, the name is
    none a source can have, or the file is there and not to be replaced.
    """
    folder = wish.output.parent if wish.output else wish.contracts
    feed = feed_at(Address(wish.places, folder, wish.database))
    source, file = _name(wish, feed)
    if file.exists() and not replace:
        raise _is_there(file)
    _check_owner(wish.owner)
    place = wish.place
    server = _server(feed, file, source)
    if wish.keys and server.documents:
        raise PipelineError("--key is for tables; a document's key is its path, a page's its address")
    sample = _look_at(server, source, secrets)
    if sample.properties and not sample.rows:  # a CSV file that is written another way, say: read as it is, and drafted so
        feed = feed.with_properties(sample.properties)
        server = _server(feed, file, source)
        sample = _look_at(server, source, secrets)
    if not sample.rows:
        raise why_nothing(sample, server, place)
    outline = _outline(wish, feed, source, sample, server, now)
    contract = _as_contract(outline, write_text(outline, None))
    judged = judge(contract, sample.rows)
    if not judged.good:
        why = next(iter(judged.refused), "")
        raise PipelineError(f"{place}: no row was accepted: {why} in {judged.refused.get(why, 0):,} of them")
    text = write_text(outline, judged)
    _as_contract(outline, text)
    decide = tuple(todos(outline, judged))
    return Draft(source, file, text, outline.looked_at, outline.columns, sample, judged, decide)


def _name(wish: DraftRequest, feed: Found) -> tuple[str, Path]:
    """The source's name and its contract's file, which is called after it."""
    output = wish.output
    if output is not None and not output.name.endswith(SUFFIX):
        raise PipelineError(f"{output}: {NAMED}")
    by_file = output.name.removesuffix(SUFFIX) if output else ""
    if by_file and wish.source and by_file != wish.source:
        raise PipelineError(f"--source {wish.source} and --output {output} differ: the file's name is the source's name")
    source = by_file or wish.source or source_name(feed.name)
    if problem := source_name_problem(source):
        raise PipelineError(f"{source!r}: {problem}")
    return source, output or wish.contracts / f"{source}{SUFFIX}"


def _server(feed: Found, file: Path, source: str) -> Server:
    return read_server(Page(YamlFile(file, {"servers": [feed.entry]}, {}), source), table="", straight=True)


def _look_at(server: Server, source: str, secrets: Secrets) -> Sample:
    try:
        return look_at(server, ReadContext(source, environment=secrets.environment))
    except Named as error:  # no contract yet that could forbid to tell the name
        raise SourceUnavailable(error.told(str)) from error


def _is_there(file: Path) -> PipelineError:
    return PipelineError(f"{file} already exists; give the source another name with --source, or replace it with --force")


def _check_owner(owner: str) -> None:
    if ("@" in owner and not re.fullmatch(FORMATS["email"], owner)) or (owner and not slug(owner)):
        raise PipelineError(f"--owner {owner!r} is neither an e-mail address nor the name of a team")


def _outline(wish: DraftRequest, feed: Found, source: str, sample: Sample, server: Server, now: datetime) -> Outline:
    own, place = server.documents, wish.place
    usable = usable_columns(sample, place)
    columns = usable.columns
    with progress("looking for private data", len(columns), unit="columns") as advance:
        suspicions = suspect(columns, by_name=not own, advance=advance)
    if feed.cursor and feed.cursor not in sample.names:
        close = difflib.get_close_matches(feed.cursor, sample.names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sample.names[:20])}"
        raise PipelineError(f"{place}: no column {feed.cursor!r} to be the cursor; {hint}")
    roles = _FEEDS_OWN if own else choose_roles(columns, suspicions, wish.keys, place)
    planned = plan_columns(columns, roles, suspicions, chosen_by_us=own)
    newest = next((column.greatest for column in columns if column.name == roles.modified_at), None)
    return Outline(
        source=source,
        entry=feed.entry,
        rows_are=feed.rows,
        documents=own,
        looked_at=how_much(sample, server, feed.rows),
        columns=planned,
        left_out=usable.left_out,
        privacy=plan_privacy(planned, suspicions),
        sample=sample,
        owner=wish.owner,
        cursor=cursor_candidate(columns) if feed.cursor == "" else "",
        newest=_moment(newest),
        now=now,
    )


def _as_contract(outline: Outline, text: str) -> Contract:
    """The text read as a load reads it; a draft that is no contract would be a mistake of ours."""
    with tempfile.TemporaryDirectory(prefix="rag-draft-") as folder:
        file = Path(folder, f"{outline.source}{SUFFIX}")
        file.write_text(text, encoding="utf-8")
        return read_contract(file)


def _moment(value: object) -> datetime | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value if isinstance(value, datetime) else None
