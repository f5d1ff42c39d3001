"""`promote` and `rollback`: moving a channel, always through its gate."""

from typing import Annotated

import typer
from rich.console import Console

from rag_pipeline.cli.show import AsJson, print_json
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import Settings, load_settings

Channel = Annotated[str, typer.Option(help="The channel to move.")]
Reason = Annotated[str, typer.Option(help="Why; written to the audit table.")]
By = Annotated[str, typer.Option(help="Who; written to the audit table.")]
Override = Annotated[bool, typer.Option("--override", help="Promote although the gate says no; needs --by and --reason.")]


def promote(
    release: Annotated[str | None, typer.Argument(help="The release to promote, by id.")] = None,
    from_channel: Annotated[str, typer.Option("--from", help="The release this channel points at, instead of an id.")] = "",
    channel: Channel = "production",
    by: By = "",
    reason: Reason = "",
    override: Override = False,
    as_json: AsJson = False,
) -> None:
    """Point a channel at a release, through the gate."""
    from rag_pipeline.release.channels import release_in

    settings = load_settings()
    if bool(release) == bool(from_channel):
        raise PipelineError("say which release to promote: its id, or --from CHANNEL")
    target = release or release_in(settings.home, from_channel)
    _move(settings, target, channel, by=by, why=reason, override=override, withdraw=False, as_json=as_json)


def rollback(
    to: Annotated[str | None, typer.Option(help="The release to go back to; the last good one when left out.")] = None,
    channel: Channel = "production",
    by: By = "",
    reason: Reason = "",
    override: Override = False,
    as_json: AsJson = False,
) -> None:
    """Point a channel at the release that served before, through the same gate.

    What is rolled back is not promoted again by a refresh until its content changes, or a person names it.
    """
    from rag_pipeline.release.rollback import release_before

    settings = load_settings()
    target = to or release_before(settings.home, channel)
    why = reason or ("" if override else "rollback")
    _move(settings, target, channel, by=by, why=why, override=override, withdraw=True, as_json=as_json)


def _move(
    settings: Settings, release: str, channel: str, *, by: str, why: str, override: bool, withdraw: bool, as_json: bool
) -> None:
    from rag_pipeline.defs import run
    from rag_pipeline.index.manifest import read_manifest
    from rag_pipeline.release.channels import read_channel
    from rag_pipeline.release.policy import read_policy

    read_policy(settings.evals).channel(channel)
    read_manifest(settings.home / "releases" / release)
    current = read_channel(settings.home, channel)
    before = current.release if current else None
    ran = run.promote(settings, release, channel, by=by, why=why, override=override, withdraw=withdraw)
    if not ran.success:
        raise PipelineError("; ".join(ran.errors) or f"{release} was not promoted; the failed run is {ran.run_id}")
    moved = {"channel": channel, "release": release, "previous": before, "moved": before != release}
    if as_json:
        print_json(moved | {"override": override, "run_id": ran.run_id})
    else:
        Console(highlight=False).print(f"{channel} → {release} (before: {before or 'nothing'})", markup=False)
