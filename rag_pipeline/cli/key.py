"""`rag key`: who may ask the door that `rag serve` opens."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.terminal import Printer, one_line

key = typer.Typer(name="key", no_args_is_help=True, help="Keys of the applications and agents that may ask `rag serve`.")


@key.command()
def new(
    name: Annotated[str, typer.Option("--name", help="The application or agent that gets it.")],
    may: Annotated[
        str,
        typer.Option(
            "--may", help="What it may do, separated by commas: search, answer, mode, feedback, judge, channel:NAME."
        ),
    ] = "search",
    reads: Annotated[
        str, typer.Option("--reads", help="What it may read, separated by commas: labels, public, all.")
    ] = "public",
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="Days until it expires.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, this once; only its hash is stored."""
    from rag_pipeline.door.keys import KeyToMake, make_key

    settings = settings_of_home()
    wanted = KeyToMake(name=name, may=_words(may), reads=_parts(reads), days=days)
    made, text = make_key(settings.home, wanted, datetime.now(UTC))
    if as_json:
        print_json({"key": text} | made.model_dump(mode="json", exclude={"sha256", "revoked_at"}))
        return
    printer = Printer()
    printer.say((text, "bold"))
    may_do, may_read = ", ".join(made.may) or "nothing", ", ".join(made.reads) or "nothing"
    printer.say(
        f"{made.id} ({one_line(made.name)}) may {may_do} and reads {may_read} until {made.expires_at:%Y-%m-%d}. It is not "
        f"shown again; `rag key revoke {made.id}` takes it back.",
        style="dim",
    )


@key.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys by id and name, without the keys themselves."""
    from rag_pipeline.door.keys import read_keys

    now = datetime.now(UTC)
    keys = read_keys(settings_of_home().home)
    found = [one.model_dump(mode="json", exclude={"sha256"}) | {"state": one.state(now)} for one in keys]
    if as_json:
        print_json({"keys": found})
        return
    rows = [
        (one.id, one_line(one.name), one.state(now), f"{one.expires_at:%Y-%m-%d}", ", ".join(one.may), ", ".join(one.reads))
        for one in keys
    ]
    Printer().table("key", "name", "state", "expires", "may", "reads", rows=rows)


@key.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id, as `rag key list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Take a key back; every replica refuses it from the next request on."""
    from rag_pipeline.door.keys import revoke_key

    now = datetime.now(UTC)
    gone = revoke_key(settings_of_home().home, key_id, now)
    if as_json:
        print_json(gone.model_dump(mode="json", exclude={"sha256"}) | {"state": gone.state(now)})
        return
    Printer().say(f"{gone.id} ({one_line(gone.name)}) is revoked")


def _parts(text: str) -> tuple[str, ...]:
    """A label may have blanks in it."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(",", " ").split() if word)
