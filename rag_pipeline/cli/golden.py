"""`golden new`, `judge` and `check`: a first golden set for a corpus that has none, more judgments, and hygiene."""

import getpass
import io
import signal
import sys
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.show import AsJson, print_json
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.settings import load_settings
from rag_pipeline.terminal import Printer, one_line

if TYPE_CHECKING:
    from rag_pipeline.evaluate.growing.hygiene import Checked
    from rag_pipeline.evaluate.growing.new_set import NewSet
    from rag_pipeline.evaluate.growing.session import Session

golden = typer.Typer(
    no_args_is_help=True,
    help="Golden sets: propose a `new` one from titles and headings, `judge` what is retrieved, `check` what they hold.",
)

Name = Annotated[str, typer.Argument(help="The golden set: a folder below RAG_EVALS.")]


@golden.command()
def new(
    name: Name,
    source: Annotated[str | None, typer.Option(help="Of this source only.")] = None,
    queries: Annotated[int, typer.Option(min=1, max=100_000, help="How many to propose at most.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed, another draw; the same seed, the same.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Propose queries for a corpus that has none, from titles and headings that one document alone has.

    They are easier than questions of users, so the gate holds them against floors only.
    """
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.evaluate.growing.new_set import new_set

    settings = load_settings()
    contracts = read_contracts(settings.contracts)
    chosen = [one for one in contracts if source in (None, one.source)]
    if not chosen:
        raise PipelineError(f"no source {source!r}; known: {', '.join(one.source for one in contracts)}")
    owner = chosen[0].owners[0] if source else settings.owner
    sources = [one.source for one in chosen]
    made = new_set(settings.evals, name, settings.home, sources, owner, count=queries, seed=seed, only=source is not None)
    steps = [f"rag golden check {name}", "rag evaluate", f"rag golden judge {name}"]
    if as_json:
        found = [{"query": one.query_id, "text": one.text, "document": one.document} for one in made.chosen[:3]]
        counts = {"usable": made.usable, "looked_at": made.looked_at, "left_out": dict(made.left_out)}
        told = {"golden_set": name, "folder": str(made.folder), "queries": len(made.chosen), "sources": dict(made.sources)}
        print_json({**told, **counts, "examples": found, "next": steps})
    else:
        _show_new(made, queries, steps)


@golden.command()
def judge(
    name: Name,
    by: Annotated[str | None, typer.Option(help="Who judges; the user of this machine when left out.")] = None,
    release: Annotated[str | None, typer.Option(help="Judge what this release retrieves.")] = None,
    channel: Annotated[str, typer.Option(help="Judge what the release in a channel retrieves.")] = "production",
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="First results of every way to retrieve.")] = 5,
    query: Annotated[str | None, typer.Option(help="Of this query only, by id.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many judgments.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge what dense, lexical and hybrid retrieval find first, one at a time, without seeing which found it.

    2 answers the query, 1 helps, 0 does not. Each judgment is kept at once; go on at any time where you stopped.
    """
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.evaluate.growing.dialogue import KEYS, talk
    from rag_pipeline.evaluate.growing.judging import Judging
    from rag_pipeline.evaluate.growing.session import Session
    from rag_pipeline.index.manifest import read_manifest
    from rag_pipeline.index.retrieve import encoder_for, has_lexical, open_release, own_model
    from rag_pipeline.release.channels import release_in

    settings, judged_by = load_settings(), _judge(by)
    judging = Judging.open(settings.evals / name, settings.home)
    release = release or release_in(settings.home, channel)
    printer = Printer(stderr=as_json)
    if one := judging.finish_last():
        printer.say(f"the last judgment of a session that was cut off is written now: {one.query}, {one.document}")
        judging = Judging.open(judging.folder, settings.home)
    folder = settings.home / "releases" / release
    lexical = not (folder / "manifest.json").exists() or has_lexical(read_manifest(folder))
    with open_release(settings.home, release, ["hybrid" if lexical else "dense"], device=settings.device) as opened:

        def load() -> Any:
            return encoder_for(settings.home, opened.manifest, own_model(opened.manifest, model_of(settings)))

        session = Session.open(judging, opened, load, judge=judged_by, k=k, only=query)
        ways = "dense, lexical and hybrid retrieval" if lexical else "dense retrieval (it has no lexical index)"
        printer.say(
            f"{name}: {len(session.queries)} queries; {judging.judges} among the first {k} of {ways}, "
            f"release {release}.\n{KEYS}.",
        )
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # a stray key is asked about again, and no reason to stop
        signal.siginterrupt(signal.SIGINT, True)  # noqa: FBT003  (polars' handler restarts a read: Ctrl-C would wait for Enter)
        try:
            talk(session, printer, sys.stdin.readline, lambda: datetime.now(UTC), limit)
        except KeyboardInterrupt:
            printer = Printer(stderr=as_json)  # rich keeps back for good what follows a print that was interrupted
            printer.say("")
        _end(session, printer, release)
    if as_json:
        counts = {"judged": len(session.judged), "skipped": session.skipped, "left": session.left}
        to_go = {"queries_looked_at": session.reached, "queries": len(session.queries)}
        print_json({"golden_set": name, "release": release, "judge": judged_by, **counts, **to_go})


@golden.command()
def check(
    name: Annotated[str | None, typer.Argument(help="A golden set; every one below RAG_EVALS when left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find what makes golden sets measure wrong: duplicates, dead judgments, queries that quote their answer, small slices.

    Exits with 1 when there is an error; warnings alone do not fail.
    """
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.evaluate.golden import FILE
    from rag_pipeline.evaluate.growing.hygiene import check_set

    settings = load_settings()
    folders = [path for path in sorted(settings.evals.glob("[!._]*")) if path.is_dir() and name in (None, path.name)]
    if not folders:
        known = ", ".join(sorted(path.parent.name for path in settings.evals.glob(f"[!._]*/{FILE}"))) or "none"
        wanted = f"no golden set {name!r} below" if name else "no golden set below"
        raise GoldenSetError(f"{wanted} {settings.evals}; known: {known}. `rag golden new NAME` proposes one")
    sources = [one.source for one in read_contracts(settings.contracts)]
    checked = [check_set(folder, settings.home, sources) for folder in folders]
    if as_json:
        print_json({"golden_sets": {one.name: _told(one) for one in checked}})
    else:
        for one in checked:
            _show_checked(one)
    if not all(one.sound for one in checked):
        raise typer.Exit(1)


def _judge(by: str | None) -> str:
    try:
        judged_by = (getpass.getuser() if by is None else by).strip()
    except (KeyError, OSError):
        judged_by = ""
    if not judged_by:
        raise PipelineError("a judgment needs a name to ask about it later; say --by NAME")
    return judged_by


def _show_new(made: "NewSet", wanted: int, steps: list[str]) -> None:
    from rag_pipeline.evaluate.growing.known_items import A_DOCUMENT
    from rag_pipeline.evaluate.growing.new_set import reasons

    printer = Printer()
    of = ", ".join(f"{count} of {source}" for source, count in made.sources.items())
    fewer = f", of the {wanted} asked for" if len(made.chosen) < wanted else ""
    printer.say(f"{made.folder} has {len(made.chosen)} queries{fewer}: {of}.")
    most = f", {A_DOCUMENT} a document at most" if len(made.chosen) < min(wanted, made.usable) else ""
    printer.say(f"{made.usable:,} of {made.looked_at:,} titles and headings are usable{most}.")
    printer.say(f"Left out: {reasons(made.left_out)}.")
    for one in made.chosen[:3]:
        printer.say(f"  “{one_line(one.text)}” → {one_line(one.document)}")
    printer.say(
        "A machine made it: its queries use the documents' own words, so the gate holds them against floors only, and "
        "against none until gate.yaml names the set. Delete the lines no user would ask, reword others (queries.jsonl; "
        "judgments are in qrels/test.tsv). Then:",
    )
    for step in steps:
        printer.say(f"  {step}")


def _end(session: "Session", printer: Printer, release: str) -> None:
    counts = f"{len(session.judged)} judged, {session.left} left of the {session.reached} queries looked at"
    untouched = len(session.queries) - session.reached
    printer.say(f"\n{counts}" + (f"; {untouched} queries not looked at yet" if untouched else "") + ".")
    if session.judged:
        folder: Path = session.judging.folder
        printer.say(f"Kept in {folder}; measure with them: rag evaluate --release {release}")


def _told(checked: "Checked") -> dict[str, Any]:
    findings = [{name: getattr(one, name) for name in one.__slots__} for one in checked.findings]
    return {"queries": checked.queries, "judgments": checked.judgments, "findings": findings}


_SHOWN = 10
"""Findings of one kind a person is shown; the rest is told as a number."""


def _show_checked(checked: "Checked") -> None:
    printer = Printer()
    counts = [f"{sum(one.level == level for one in checked.findings)} {level}s" for level in ("error", "warning")]
    printer.say(
        f"{checked.name}: {checked.queries} queries, {checked.judgments} judgments: {', '.join(counts)}", style="bold"
    )
    levels, kinds = ("error", "warning", "note"), [one.kind for one in checked.findings]
    ordered = sorted(checked.findings, key=lambda one: (levels.index(one.level), kinds.index(one.kind)))
    for (level, kind), group in groupby(ordered, key=lambda one: (one.level, one.kind)):
        found = list(group)
        printer.say(f"  {level}: {kind.replace('_', ' ')}" + (f" ({len(found)})" if len(found) > 1 else ""))
        for one in found[:_SHOWN]:
            query = f" {one.query}:" if one.query else ""
            printer.say(f"    {one.where}:{query} {one.says}")
        if len(found) > _SHOWN:
            printer.say(f"    and {len(found) - _SHOWN} more; --json lists all")
