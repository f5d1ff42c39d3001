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
    """Hold releases against their manifests: checksums, ids both ways, records, self-retrieval. Exits with 1 on damage."""
    from rag_pipeline.defs import run
    from rag_pipeline.index.manifest import release_folders
    from rag_pipeline.index.verify import verify_release

    settings = load_settings()
    names = [release] if release else [path.name for path in release_folders(settings.home / "releases")]
    if not names:
        raise PipelineError(f"there is no release below {settings.home / 'releases'} yet; run `rag refresh`")
    found = {name: verify_release(settings.home, name) for name in names}
    repaired = {name: run.repair(settings, name) for name, problems in found.items() if problems and repair}
    damaged = [name for name, problems in found.items() if problems and name not in repaired]
    if as_json:
        print_json(
            {
                "releases": {name: {"intact": not problems, "problems": problems} for name, problems in found.items()},
                "repaired": repaired,
            }
        )
    else:
        rows = [(name, "; ".join(problems) or "intact", repaired.get(name, "")) for name, problems in found.items()]
        Console(highlight=False).print(table_of("release", "found", "repaired by", rows=rows))
    if damaged:
        raise typer.Exit(1)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove releases, vectors and table versions that no kept release needs; never what a channel points at."""
    from rag_pipeline.defs import run

    ran = run.collect(load_settings(), dry_run=dry_run)
    if not ran.success:
        raise PipelineError("; ".join(ran.errors) or f"the collection failed; the run is {ran.run_id}")
    told = ran.assets["index/kept_releases"]
    if as_json:
        print_json({**told["as_json"], "run_id": ran.run_id})
        return
    console = Console(highlight=False)
    console.print(table_of("kept", "because", rows=[(name, why) for name, why in told["as_json"]["kept"].items()]))
    says = "would remove" if dry_run else "removed"
    gone = told["as_json"]["removed"]
    console.print(
        f"{says} {len(gone)} releases ({told['removed_mb']} MB), {told['removed_vectors']:,} vectors, "
        f"{told['removed_table_files']:,} files of tables"
    )
    for name in (*gone, *told["as_json"]["leftovers"]):
        console.print(f"  • {name}", markup=False)
