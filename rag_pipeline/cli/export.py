"""`export`: a copy of what serves, for those who have Chroma and not this pipeline."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rag_pipeline.cli.show import AsJson, Served, print_json, settings_of_home
from rag_pipeline.terminal import Printer


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    channel: Served = "production",
    as_json: AsJson = False,
) -> None:
    """Copy the release a channel points at to a folder that Chroma alone can open. `rag erase` does not reach the copy."""
    from rag_pipeline.release.export import README
    from rag_pipeline.release.export import export as copy_out

    done = copy_out(settings_of_home().home, channel, directory, now=datetime.now(UTC))
    if as_json:
        found = {"release": done.release, "channel": channel, "path": str(done.folder)}
        print_json(found | {"files": done.files, "bytes": done.size_bytes})
        return
    printer = Printer()
    printer.say(f"{done.release}: {done.files} files, {done.size_bytes / 1e6:.1f} MB, in {done.folder}")
    printer.say(f"{README} says how to open it; `rag erase` does not reach it", style="dim")
