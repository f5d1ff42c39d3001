"""`verify` and `gc`: is what is kept still what it was, and what may go."""

from typing import Annotated

import typer
from rich.console import Console

from rag_pipeline.cli.show import AsJson, print_json, table_of
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import load_settings


def verify(
    release: Annotated[str | None, typer.Argument(help="A release by id; all that are kept when left out.")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Build what is damaged again, and promote it where it serves.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold channels and releases against what they were: checksums, ids both ways, records. Exits with 1 on damage."""
    from rag_pipeline.defs import run
    from rag_pipeline.index.manifest import release_folders
    from rag_pipeline.index.verify import verify_release
    from rag_pipeline.release.health import channel_releases, damaged_channels, unfinished_channels
    from rag_pipeline.release.restore import as_restored, restore_channel

    settings = load_settings()
    channels, unfinished = damaged_channels(settings.home), unfinished_channels(settings.home)
    restored = {name: restore_channel(settings.home, name) for name in (channels | unfinished)} if repair else {}
    repaired = {name: channel.release for name, channel in restored.items()}
    kept = {path.name for path in release_folders(settings.home / "releases")}
    names = [release] if release else sorted(kept | channel_releases(settings.home))
    if not names:
        raise PipelineError(f"there is no release below {settings.home / 'releases'} yet; run `rag refresh`")
    found = {name: verify_release(settings.home, name) for name in names}
    if repair:
        repaired |= {name: run.repair(settings, name) for name, problems in found.items() if problems}
    if as_json:
        told = {name: {"intact": not problems, "problems": problems} for name, problems in found.items()}
        as_they_are = [name for name, channel in restored.items() if channel.action == "restored"]
        of_channels = {"damaged_channels": channels, "unfinished_channels": unfinished, "taken_as_they_are": as_they_are}
        print_json({"releases": told, **of_channels, "repaired": repaired})
    else:
        rows = [(f"channel {name}", says, repaired.get(name, "")) for name, says in (channels | unfinished).items()]
        rows += [(name, "; ".join(problems) or "intact", repaired.get(name, "")) for name, problems in found.items()]
        Console(highlight=False).print(table_of("what", "found", "repaired by", rows=rows))
        for name, channel in restored.items():
            Console(highlight=False, soft_wrap=True).print(f"{name} → {as_restored(channel)}", markup=False)
    if any(name not in repaired for name, problems in (*found.items(), *channels.items()) if problems):
        raise typer.Exit(1)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove releases, vectors and table versions that no kept release needs; never what a channel points at."""
    from rag_pipeline.defs import run

    told = run.collect(load_settings(), dry_run=dry_run)
    if as_json:
        print_json(told)
        return
    console = Console(highlight=False)
    console.print(table_of("kept", "because", rows=list(told["kept"].items())))
    verb, size = "would remove" if dry_run else "removed", told["removed_bytes"] / 1e6
    console.print(
        f"{verb} {len(told['removed'])} releases ({size:.1f} MB), "
        f"{told['vectors']:,} vectors, {told['query_vectors']:,} of queries, {told['table_files']:,} files of tables, "
        f"{len(told['exports'])} exported models"
    )
    for name in (*told["removed"], *told["leftovers"], *told["exports"]):
        console.print(f"  • {name}", markup=False)
