"""`golden new`, `judge`, `probes` and `check`: a first golden set, more judgments, unjudged questions, and hygiene."""

import getpass
import io
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.golden_show import show_checked, show_new, show_probes, told
from rag_pipeline.cli.show import AsJson, OneSource, print_json
from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.settings import load_settings
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.golden.session import Session

golden = typer.Typer(
    name="golden",
    no_args_is_help=True,
    help="Golden sets: propose a `new` one from titles and headings, `judge` what is retrieved, make `probes` that nobody "
    "judges, `check` what they hold, measure `answers`.",
)

Name = Annotated[str, typer.Argument(help="The golden set: a folder below RAG_EVALS.")]


@golden.command()
def new(
    name: Name,
    source: OneSource = None,
    queries: Annotated[int, typer.Option(min=1, max=100_000, help="How many to propose at most.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the draw; the same seed draws the same.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Propose queries for a corpus that has none, from titles and headings that one document alone has.

    They have 3 to 15 words, at most 3 for each document, and the same seed gives the same queries. They are easier than
    questions of users, so the gate holds them against floors only. The set is written below `RAG_EVALS`, with probes, whole
    or not at all, and never over an existing one.
    """
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.golden.first_set import private_sources
    from rag_pipeline.golden.made_probes import Asked, Draw
    from rag_pipeline.golden.new_set import new_set

    settings = load_settings()
    contracts = read_contracts(settings.contracts)
    chosen = [one for one in contracts if source in (None, one.source)]
    if not chosen:
        raise PipelineError(f"no source {source!r}; known: {', '.join(one.source for one in contracts)}")
    owner = chosen[0].owners[0] if source else settings.owner
    sources = [one.source for one in chosen]
    only, private = source is not None, private_sources(chosen)
    asked = Asked(settings.home, sources, private)
    made = new_set(settings.evals, name, asked, owner, Draw(queries, seed), only=only)
    steps = [f"rag golden check {name}", "rag evaluate", f"rag golden judge {name}"]
    if as_json:
        found = [{"query": one.query_id, "text": one.text, "document": one.document} for one in made.chosen[:3]]
        counts = {"usable": made.usable, "looked_at": made.looked_at, "left_out": dict(made.left_out)}
        sizes = {"queries": len(made.chosen), "probes": len(made.probes), "sources": dict(made.sources)}
        print_json({"golden_set": name, "folder": str(made.folder), **sizes, **counts, "examples": found, "next": steps})
    else:
        show_new(made, queries, steps)


@golden.command()
def probes(
    name: Name,
    number: Annotated[int, typer.Option(min=1, max=100_000, help="How many to make at most.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the draw; the same seed makes the same probes.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the probes that exist.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write probes.jsonl: questions that nobody judges, from titles, headings and rare words that no question covers yet.

    What a release retrieves for them is compared with production's lists, so that a small golden set can pass a release
    that changed nothing that matters. Two thirds are from titles and headings, a third from rare words, sources in turn,
    documents that nobody asks for first; the same seed gives the same probes. Questions of users are as good: put them
    there yourself. A file that is there is replaced only with `--force`.
    """
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.golden.first_set import private_sources
    from rag_pipeline.golden.made_probes import Asked, Draw, make_probes

    settings = load_settings()
    contracts = read_contracts(settings.contracts)
    if not (settings.evals / name).is_dir():
        raise GoldenSetError(_no_such_set(settings.evals, name))
    sources, private = [one.source for one in contracts], private_sources(contracts)
    asked = Asked(settings.home, sources, private)
    made = make_probes(settings.evals, name, asked, Draw(number, seed), force=force)
    if as_json:
        counts = {"probes": len(made.probes), "sources": dict(made.sources), "made_from": dict(made.made_from)}
        examples = [{"text": one.text, "document": one.document} for one in made.probes[:3]]
        print_json({"golden_set": name, "file": str(made.file), **counts, "examples": examples})
    else:
        show_probes(made, number)


@golden.command()
def judge(  # noqa: PLR0913 - typer reads a command's options from its signature
    name: Name,
    by: Annotated[str | None, typer.Option(help="Who judges. Default: the user of this machine.")] = None,
    release: Annotated[str | None, typer.Option(help="Judge what this release retrieves.")] = None,
    channel: Annotated[str, typer.Option(help="Judge what the release in a channel retrieves.")] = "production",
    k: Annotated[
        int, typer.Option("--k", min=1, max=100, help="How many of the first results of each way to retrieve.")
    ] = 5,
    query: Annotated[str | None, typer.Option(help="Only this query, by id.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many judgments.")] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Judge questions of production, for the set NAME.")] = False,
    answers: Annotated[bool, typer.Option("--answers", help="Judge answers: faithful, relevant; y or n.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge what dense, lexical and hybrid retrieval find first, one at a time, without seeing which found it.

    2 answers the query, 1 helps, 0 does not. Each judgment is kept at once; go on at any time where you stopped. With
    `--queue` the questions are drawn from `traffic/queries`: a uniform sample, whose mean estimates what askers get, and
    some that look as if they went wrong. With `--answers` the release's answers are judged instead, by chance: they tell
    how far a judge model can be believed.
    """
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.golden.dialogue import KEYS, talk
    from rag_pipeline.golden.judging import Judging
    from rag_pipeline.golden.session import Session
    from rag_pipeline.index.retrieve import encoder_for, open_release, own_model

    settings, judged_by = load_settings(), _judge(by)
    if queue:
        from rag_pipeline.cli.queue import judge_queue

        judge_queue(settings, name, judged_by, release or release_in(settings.home, channel), limit, as_json=as_json)
        return
    judging = Judging.open(settings.evals / name, settings.home)
    release = release or release_in(settings.home, channel)
    if answers:
        from rag_pipeline.cli.judge_answers import judge_answers

        judge_answers(settings, name, judged_by, release, limit, as_json=as_json)
        return
    printer = Printer(stderr=as_json)
    if one := judging.finish_last():
        printer.say(f"the last judgment of a session that was cut off is written now: {one.query}, {one.document}")
        judging = Judging.open(judging.folder, settings.home)
    with open_release(settings.home, release, ["hybrid"], device=settings.device) as opened:

        def load() -> Any:
            return encoder_for(settings.home, opened.manifest, own_model(opened.manifest, model_of(settings)))

        session = Session.open(judging, opened, load, judge=judged_by, k=k, only=query)
        printer.say(
            f"{name}: {len(session.queries)} queries; {judging.judges} among the first {k} of dense, lexical and hybrid "
            f"retrieval, release {release}.\n{KEYS}.",
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
    name: Annotated[str | None, typer.Argument(help="A golden set. Default: all below RAG_EVALS.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find what makes golden sets measure wrong: duplicates, dead judgments, queries that quote their answer, small slices.

    Exits with 1 when there is an error; warnings alone do not fail. It also says how many judged queries could pass a
    release.
    """
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.gate.enough import enough_in
    from rag_pipeline.gate.policy import FILE as GATE
    from rag_pipeline.gate.policy import read_policy
    from rag_pipeline.golden.hygiene import check_set

    settings = load_settings()
    folders = [path for path in sorted(settings.evals.glob("[!._]*")) if path.is_dir() and name in (None, path.name)]
    if not folders:
        raise GoldenSetError(_no_such_set(settings.evals, name))
    sources = [one.source for one in read_contracts(settings.contracts)]
    policy = read_policy(settings.evals) if (settings.evals / GATE).is_file() else None
    checked = [check_set(folder, settings.home, sources) for folder in folders]
    able = {
        one.name: enough_in(folder, settings.home, policy) if one.queries else None
        for folder, one in zip(folders, checked, strict=True)
    }
    if as_json:
        print_json({"golden_sets": {one.name: told(one, able[one.name]) for one in checked}})
    else:
        for one in checked:
            show_checked(one, able[one.name])
    if not all(one.sound for one in checked):
        raise typer.Exit(1)


def _no_such_set(evals: Path, name: str | None) -> str:
    from rag_pipeline.golden.read import FILE

    known = ", ".join(sorted(path.parent.name for path in evals.glob(f"[!._]*/{FILE}"))) or "none"
    wanted = f"no golden set {name!r} below" if name else "no golden set below"
    return f"{wanted} {evals}; known: {known}. `rag golden new NAME` proposes one"


def _judge(by: str | None) -> str:
    try:
        judged_by = (getpass.getuser() if by is None else by).strip()
    except (KeyError, OSError):
        judged_by = ""
    if not judged_by:
        raise PipelineError("a judgment needs the name of a person to ask later; add --by NAME")
    return judged_by


def _end(session: "Session", printer: Printer, release: str) -> None:
    counts = f"{len(session.judged)} judged, {session.left} left of the {session.reached} queries looked at"
    untouched = len(session.queries) - session.reached
    printer.say(f"\n{counts}" + (f"; {untouched} queries not looked at yet" if untouched else "") + ".")
    if session.judged:
        folder: Path = session.judging.folder
        printer.say(f"Kept in {folder}; measure with them: rag evaluate --release {release}")
