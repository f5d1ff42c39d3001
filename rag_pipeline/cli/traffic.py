"""`rag traffic`: what was asked in production, as tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.terminal import Printer

traffic = typer.Typer(
    name="traffic",
    no_args_is_help=True,
    help="What was asked of `rag serve`: put what replicas logged into its tables, or hand it to other tools.",
)


@traffic.command("ingest")
def ingest_now(as_json: AsJson = False) -> None:
    """Put what replicas logged into the tables of traffic, each row once, and empty texts that are past their days.

    The job `ingest_traffic` does the same on a schedule (RAG_TRAFFIC_CRON).
    """
    from rag_pipeline.traffic.ingest import ingest
    from rag_pipeline.traffic.rows import KEY

    settings, now = settings_of_home(), datetime.now(UTC)
    done = [ingest(settings.home, kind, now, days=settings.query_days) for kind in KEY]
    if as_json:
        print_json({one.kind: one.told for one in done})
        return
    printer = Printer()
    if settings.query_text == "off" and not settings.home.traffic.is_dir():
        printer.say("Nothing is logged: RAG_QUERY_TEXT is off. Set it to masked or hmac, and start `rag serve` again.")
        return
    for one in done:
        printer.say(
            f"{one.kind}: {one.rows:,} rows added of {one.segments:,} segments, {one.lost:,} lost before, "
            f"{one.emptied:,} texts emptied"
        )
        for name in one.damaged:
            printer.say(f"  {settings.home}/{settings.home.traffic.name}/{name} is damaged; its rows are in no table")


@traffic.command()
def evidence(
    release: Annotated[str | None, typer.Argument(help="The release. Default: what the channel before points at.")] = None,
    channel: Annotated[
        str, typer.Option("--channel", help="The channel whose demands in gate.yaml it is for.")
    ] = "production",
    as_json: AsJson = False,
) -> None:
    """Make evidence of what was served of a release on the channel that `after` in gate.yaml names, and say what it lacks.

    It is kept beside the release's other evidence; the gate decides on it, and holds it against the tables once more.
    """
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.cli.served import made_now

    settings = settings_of_home()
    made_now(settings, channel, release, lambda served_on: release_in(settings.home, served_on), as_json=as_json)


@traffic.command()
def export(
    folder: Annotated[Path, typer.Argument(help="The folder that gets ubi_queries.jsonl and ubi_events.jsonl.")],
    days: Annotated[int, typer.Option(min=1, help="How many days back.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Write queries and verdicts as OpenSearch's User Behavior Insights (UBI) reads them, for its tools."""
    from rag_pipeline.traffic.export import export_ubi

    written = export_ubi(settings_of_home().home, folder, datetime.now(UTC) - timedelta(days=days))
    if as_json:
        print_json({"folder": str(folder), "rows": written})
        return
    for name, rows in written.items():
        Printer().say(f"{folder / name}: {rows:,} rows")


@traffic.command("golden")
def golden_set(
    name: Annotated[str, typer.Argument(help="The golden set: a folder below RAG_EVALS, made or written anew.")],
    channel: Annotated[str, typer.Option("--channel", help="The channel whose release is judged.")] = "production",
    as_json: AsJson = False,
) -> None:
    """Write what was judged of the queue into a golden set that estimates traffic, and one of questions that went wrong.

    A question counts once all that was found for it is judged. `rag golden judge NAME --queue` does the same at its end.
    """
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.cli.queue import write_queue

    settings = settings_of_home()
    write_queue(settings, name, release_in(settings.home, channel), as_json=as_json)


@traffic.command("page")
def trends_page(as_json: AsJson = False) -> None:
    """Write the page of trends: what was asked in four weeks, by day and by hour, and what became of it.

    `traffic/hourly` and `traffic/drift` write it too, each time they run. `rag report --serve` shows it in a browser.
    """
    from rag_pipeline.report.traffic_page import write_page
    from rag_pipeline.report.trends import gather

    settings = settings_of_home()
    found = gather(settings, datetime.now(UTC))
    path = write_page(settings.home, found)
    if as_json:
        print_json({"path": str(path), "questions": sum(one["questions"] for one in found.by_release)})
        return
    Printer().say(str(path))


@traffic.command()
def queue(
    questions: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the uniform sample at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Draw the queue of questions to be judged, anew: for judges in a browser (`/judge` of `rag serve`).

    What somebody judged stays in it.
    """
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.traffic.queue import draw_queue
    from rag_pipeline.traffic.strata import SIZES_OF_A_DRAW

    settings = settings_of_home()
    model = model_of(settings)
    drawn = draw_queue(settings, datetime.now(UTC), {**SIZES_OF_A_DRAW, "uniform": questions}, model.load, model)
    strata = {name: sum(line.stratum == name for line in drawn.lines) for name in SIZES_OF_A_DRAW}
    if as_json:
        print_json({"folder": str(drawn.folder), "questions": len(drawn.lines), "of": drawn.of, "strata": strata})
        return
    says = ", ".join(f"{count} {name}" for name, count in strata.items())
    Printer().say(f"{drawn.folder}: {len(drawn.lines)} questions to be judged, of {drawn.of:,} asked ({says})")
