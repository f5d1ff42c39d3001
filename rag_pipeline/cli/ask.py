"""Commands that look and change nothing: `query`, `status`, `releases`, `trace`."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from rag_pipeline.cli.alerts import show_alerts
from rag_pipeline.cli.show import AsJson, Served, print_json, says_of_run, settings_of_home, settings_or_note
from rag_pipeline.index.manifest import Mode
from rag_pipeline.terminal import Printer, beginning, one_line

_FIX = "`rag refresh` or `rag verify --repair` fixes it"


def query(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("--k", min=1, max=1000, help="Chunks to retrieve.")] = 10,
    mode: Annotated[Mode | None, typer.Option(help="How to retrieve. Default: as the release serves.")] = None,
    release: Annotated[str | None, typer.Option(help="A release by id.")] = None,
    channel: Served = "production",
    as_json: AsJson = False,
) -> None:
    """Retrieve chunks from what serves, or from any kept release."""
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.index.asked import question_of
    from rag_pipeline.index.retrieve import Query, encoder_for, open_release, own_model

    settings = settings_of_home()
    text = question_of(text)
    release = release or release_in(settings.home, channel)
    with open_release(settings.home, release, [mode] if mode else None, device=settings.device) as opened:
        mode = mode or opened.manifest.retrieval.mode
        by_meaning = mode != "lexical"
        encoder = (
            encoder_for(settings.home, opened.manifest, own_model(opened.manifest, model_of(settings)))
            if by_meaning
            else None
        )
        started = time.perf_counter()
        hits = opened.search(Query(text, encoder.queries([text])[0] if encoder else None), k, mode)
        took_ms = round(1000 * (time.perf_counter() - started), 1)
    found = [{name: getattr(hit, name) for name in hit.__slots__} for hit in hits]
    if as_json:
        print_json({"release": release, "mode": mode, "took_ms": took_ms, "hits": found})
        return
    printer = Printer()
    printer.say(f"{release}, {mode}, {took_ms} ms", style="dim")
    for hit in hits:
        name, uri = one_line(hit.document_id), one_line(hit.uri or "")
        printer.say((f"\n{hit.rank}. {name}", "bold"), f"  {hit.score:.3f}  ", (uri, "dim"))
        printer.say(beginning(hit.text, 300))


def status(as_json: AsJson = False) -> None:
    """Show what serves, how old each source is against its promise, and the last verdict with its reasons.

    It says first which home it looks at. Then: channels, their anchors, who holds them and whether they are frozen; channels
    whose file cannot be believed, damage to what they point at, tables that lost a commit; the candidate's verdict as the
    gate would give it now; runs that have begun and not ended, and which of them are dead.
    """
    from rag_pipeline.channels.pointer import Anchor, Hold
    from rag_pipeline.host.status import status_now

    settings = settings_or_note()
    found = status_now(settings, datetime.now(UTC))
    if as_json:
        print_json(found)
        return
    printer = Printer()
    printer.say(("home", "bold"), f" {found['home']}")
    for name, channel in found["channels"].items():
        since = datetime.fromisoformat(channel["at"]).strftime("%Y-%m-%d %H:%M UTC")
        printer.say((name, "bold"), f" → {channel['release']} since {since} ({channel['by']}: {channel['why']})")
        if channel["answers"]:
            printer.say(f"  answers are of version {channel['answers']['version']}", style="dim")
        if channel["hold"]:
            printer.say(f"  {Hold.model_validate(channel['hold']).says(name)}", style="yellow")
        if name in found["anchors"]:
            printer.say(f"  held against {Anchor.model_validate(found['anchors'][name]).says}", style="dim")
        if name in found["frozen"]:
            printer.say(f"  {found['frozen'][name]}", style="yellow")
    for name, says in found["damaged_channels"].items():
        printer.say((f"{name}:", "red"), f" {says}")
    for name, says in found["unfinished_channels"].items():
        printer.say((f"{name}:", "yellow"), f" {says}")
    for one in found["damaged"]:
        what = f"{one['release']} is damaged: {', '.join(one['what'])}; {_FIX}"
        printer.say(f"{one['channel']}: {what}", style="red")
    for name, what in found["lost_commits"].items():
        told = f"the table {name} lost a commit: {what}; {_FIX}"
        printer.say(told, style="red")
    if found["may_hold_erased"]:
        names = ", ".join(found["may_hold_erased"])
        printer.say(
            f"these were built before the last erasure and may hold erased documents until `rag gc` removes them: {names}"
        )
    if not found["channels"] and not found["damaged_channels"]:
        printer.say("nothing serves yet; run ", ("rag refresh", "bold"))
    rows = [
        (
            one["source"],
            one["outcome"],
            f"{one['documents']:,}",
            f"{one['refused']:,}",
            f"{one['age_hours']} h" if one["age_hours"] is not None else "–",
            f"{one['max_age_hours']:g} h" if one["max_age_hours"] else "–",
            "yes" if one["within_sla"] else "NO",
            one["reason"] or "; ".join(one["broken_rules"]) or one["late_because"],
        )
        for one in found["sources"]
    ]
    printer.table("source", "last load", "documents", "refused", "age", "SLA", "within", "why", rows=rows)
    for one in found["sources"]:
        if one["values_from_the_future"]:
            says = f"{one['values_from_the_future']} values that tell its age lie in the future and do not count"
            printer.say(f"{one['source']}: {says}", style="yellow")
    if found["clock_doubt"]:
        printer.say(found["clock_doubt"], style="yellow")
    show_alerts(printer, found["alerts"])
    if found["candidate"]:
        verdict = found["candidate"]
        printer.say(f"candidate {verdict['release']}: ", (verdict["verdict"], "bold"))
        for reason in [*verdict["reasons"], *verdict.get("notes", ())]:
            printer.say(f"  • {reason}")
    for one in found["runs"]:
        printer.say(says_of_run(one), style="red" if one["alive"] is False else "")


def releases(as_json: AsJson = False) -> None:
    """List every kept release, newest first."""
    from rag_pipeline.host.status import releases_now

    found = releases_now(settings_or_note())
    if as_json:
        print_json({"releases": found})
        return
    rows = [
        (
            one["release"],
            one["created_at"],
            f"{one['documents']:,}",
            f"{one['chunks']:,}",
            f"{one['bytes'] / 1e6:.1f} MB",
            ", ".join([*one["channels"], *(f"anchor of {name}" for name in one["anchor_of"])]),
            one["verdict"],
            one["figures"],
            one["promoted_by"],
        )
        for one in found
    ]
    headers = ("release", "created", "documents", "chunks", "size", "channels", "verdict", "primary metric", "promoted by")
    Printer(least_width=160).table(*headers, rows=rows)


def trace(
    chunk_id: Annotated[str, typer.Argument(help="A chunk's id, as `rag query --json` gives it.")],
    as_json: AsJson = False,
) -> None:
    """Show where a chunk comes from: document, source row, contract, run, model, and the releases that hold it."""
    from rag_pipeline.release.trace import trace_chunk

    found = trace_chunk(settings_of_home(), chunk_id)
    if as_json:
        print_json(found)
        return
    printer = Printer()
    for step, facts in found.items():
        printer.say(step, style="bold")
        for facts_of_one in facts if isinstance(facts, list) else [facts]:
            line = ", ".join(f"{name} {value}" for name, value in (facts_of_one or {"": "not known any more"}).items())
            printer.say(f"  {one_line(line)}")
