"""`verify` and `gc`: is what is kept still what it was, and what may be removed?"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import load_settings
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.channels.pointer import Channel
    from rag_pipeline.release.tables_verify import TableFound


def verify(
    release: Annotated[str | None, typer.Argument(help="A release by id. Default: all kept releases.")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild what is damaged, and promote it where it serves.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare tables, channels, releases and answer versions with what they were. Exits with 1 on damage.

    It reads every table whole (log, checksums, rows, each vector), and compares every release, or only the one named, with
    its manifest: checksums, content, ids both ways, records, self-retrieval. An answer version is held against its hash.

    `--repair` takes what is damaged out of a table and says what is lost (the next `rag refresh` derives it again); builds
    a damaged release again from its own chunks and the stored vectors, and moves the channels that point at it, through
    their gates; writes a channel's file again from its newest audit row, or, where no row can tell, takes the channel as
    it is and says so.
    """
    from rag_pipeline.channels.health import channel_releases, damaged_channels, readable_channels, unfinished_channels
    from rag_pipeline.channels.restore import restore_channel
    from rag_pipeline.defs import run
    from rag_pipeline.evaluate.evidence_store import all_strays
    from rag_pipeline.index.manifest import release_folders
    from rag_pipeline.index.verify import verify_release
    from rag_pipeline.release.tables_verify import AUDIT, repair_tables, verify_tables
    from rag_pipeline.versions.kept import damaged_versions

    settings = settings_of_home()
    tables = verify_tables(settings.home) if release is None else {}
    fixed = repair_tables(settings.home, tables) if repair else {}
    broken = {name for name, one in tables.items() if not one.intact and name not in fixed}
    if AUDIT in broken and not repair:  # where the channels point is not known without it
        _show_verified(tables, Channels(), {}, {}, Beside(), as_json=as_json)
        raise typer.Exit(1)
    channels, unfinished = damaged_channels(settings.home), unfinished_channels(settings.home)
    lost = AUDIT in fixed
    restored = (
        {name: restore_channel(settings.home, name, rows_lost=lost) for name in (channels | unfinished)} if repair else {}
    )
    repaired = {name: channel.release for name, channel in restored.items()}
    kept = {path.name for path in release_folders(settings.home.releases)}
    names = [release] if release else sorted(kept | channel_releases(settings.home))
    if not names and not tables:
        raise PipelineError(f"there is no release below {settings.home.releases} yet; run `rag refresh`")
    with_vectors = "vectors" not in broken and "vectors" not in fixed
    found = {name: verify_release(settings.home, name, with_vectors=with_vectors) for name in names}
    answers = [one.answers.version for one in readable_channels(settings.home).values() if one.answers]
    versions = damaged_versions(settings.home, answers) if release is None else {}
    if repair:
        repaired |= {name: run.repair(settings, name) for name, problems in found.items() if problems}
    of_channels = Channels(channels, unfinished, restored)
    beside = Beside(all_strays(settings.home), versions)
    _show_verified({**tables, **fixed}, of_channels, found, repaired, beside, as_json=as_json)
    if broken or versions or any(name not in repaired for name, problems in (*found.items(), *channels.items()) if problems):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels that cannot be believed, those a process left half moved, and what `--repair` made of them."""

    damaged: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    restored: "dict[str, Channel]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """Files of evidence that no evaluation wrote, and answer versions that are not what they were: id -> what to do."""

    strays: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


def _show_verified(
    tables: dict[str, "TableFound"],
    channels: Channels,
    releases: dict[str, tuple[str, ...]],
    repaired: dict[str, str],
    beside: Beside,
    *,
    as_json: bool,
) -> None:
    if as_json:
        told = {name: {"intact": not problems, "problems": problems} for name, problems in releases.items()}
        lake = {name: one.told for name, one in tables.items()}
        as_they_are = [name for name, channel in channels.restored.items() if channel.action == "restored"]
        of_channels = {
            "damaged_channels": channels.damaged,
            "unfinished_channels": channels.unfinished,
            "taken_as_they_are": as_they_are,
        }
        of_others = {"answer_versions": beside.versions, "strays": beside.strays}
        print_json({"releases": told, **of_channels, "repaired": repaired, "tables": lake, **of_others})
        return
    rows = [
        (f"table {name}", "; ".join(map(str, one.problems)) or "intact", "; ".join(one.lost)) for name, one in tables.items()
    ]
    broken = channels.damaged | channels.unfinished
    rows += [(f"channel {name}", says, repaired.get(name, "")) for name, says in broken.items()]
    rows += [(name, "; ".join(problems) or "intact", repaired.get(name, "")) for name, problems in releases.items()]
    rows += [(f"answer version {name[:12]}", says, "") for name, says in beside.versions.items()]
    rows += [("evidence", f"stray files, ignored: {', '.join(beside.strays)}", "")] if beside.strays else []
    printer = Printer()
    printer.table("what", "found", "repaired by", rows=rows)
    from rag_pipeline.channels.restore import as_restored

    for name, channel in channels.restored.items():
        printer.say(f"{name} → {as_restored(channel)}")


_WHAT_GOES = {
    "removed": "a release that nothing needs",
    "leftovers": "what a release left that was never finished, or never quite removed",
    "exports": "a model's graph, made again when it is needed",
    "views": "the copy of a reader that has ended",
    "scratch": "of a load, or an embedding, that was killed",
    "reports": "the report of a release that goes",
    "files": "of a table, which only old versions of it need",
    "tries": "of `rag try`: old results, or what attempts were built in; a later try embeds again",
}
"""What each name is that a collection tells, by the key it stands under in `--json`."""


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed; remove nothing.")] = False,
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="Confirm that the clock is right, though `rag status` doubts it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove releases, vectors and table versions that no kept release needs; never what a channel points at.

    It removes exported models and what killed processes left, too; never what a channel pointed at before. Only what the
    pipeline made is removed. A file or folder that belongs to somebody else stays where it is. No table version is removed
    while the clock is in doubt (more than 14 days after the last load, or before it).
    """
    from rag_pipeline.defs import run
    from rag_pipeline.home_mark import no_home_says
    from rag_pipeline.ingest.clock import believe_clock
    from rag_pipeline.report.words import counted

    settings = load_settings()
    if clock_is_right:
        if nothing := no_home_says(settings):
            raise PipelineError(nothing)
        believe_clock(settings.home, datetime.now(UTC), by=settings.actor)
    told = run.collect(settings, dry_run=dry_run)
    if as_json:
        print_json(told)
        return
    printer = Printer()
    printer.table("kept", "because", rows=list(told["kept"].items()))
    verb, size = "would remove" if dry_run else "removed", told["removed_bytes"] / 1e6
    printer.say(
        f"{verb} {counted(len(told['removed']), 'release')} ({size:.1f} MB), "
        f"{told['vectors']:,} vectors, {told['query_vectors']:,} of queries, {told['table_files']:,} files of tables, "
        f"{len(told['exports'])} exported models"
    )
    for kind, what in _WHAT_GOES.items():
        for name in told[kind]:
            printer.say(f"  • {name}", (f"  {what}", "dim"))
    if told["clock_doubt"]:
        printer.say(f"no old version of a table was removed: {told['clock_doubt']}", style="yellow")
