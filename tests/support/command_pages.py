"""Writes the sections of docs/commands.md, one a command, from the commands themselves: `make docs-commands`.

What stands outside the two marks is written by people, and stays.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer.main

from rag_pipeline.cli import PANELS, app, called
from rag_pipeline.cli.examples import HELP
from rag_pipeline.settings import PROJECT

PAGE = PROJECT / "docs/commands.md"
BEGIN = "<!-- Written by `make docs-commands` from here on: change the commands, or rag_pipeline/cli/examples.py. -->"
END = "<!-- Written by `make docs-commands` up to here. -->"

_SAID_ONCE = ("--json", "--help")
"""Options that every command has; the page says so once."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, in the order of `rag --help`."""
    yield from _below(typer.main.get_command(app), ())


def _below(group: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from _below(one, (*path, name))
        else:
            yield " ".join((*path, name)), one


def section(name: str, command: Any) -> str:
    """One command: what it does, how it is called, its options, examples, and the fields of `--json`."""
    options = [one for one in command.params if one.opts[0] not in _SAID_ONCE]
    told = HELP[name]
    lines = [f"### rag {name}", "", _prose(command.help), "", "```sh", *told.examples, "```", ""]
    if options:
        lines += ["| argument or option | default | meaning |", "| --- | --- | --- |", *map(_row, options), ""]
    lines += [f"JSON: {told.json}.", ""]
    return "\n".join(lines)


def sections() -> str:
    """All of them, under the headings of `rag --help`."""
    found = dict(commands())
    lines = []
    for panel, of in PANELS.items():
        names = [one.info.name if isinstance(one, typer.Typer) else called(one) for one in of]
        lines += [f"## {panel}", ""]
        lines += [section(name, command) for name, command in found.items() if name.split(" ")[0] in names]
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its sections as the commands are now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{sections()}\n{END}{after}"


def _prose(help_text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", help_text.strip())
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs)


def _row(one: Any) -> str:
    if one.param_type_name == "argument":
        named = f"`{one.name.upper()}`" + ("" if one.required else ", optional") + (", several" if one.nargs == -1 else "")
    else:
        several = ", repeatable" if one.multiple else ""
        named = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts)) + several
    default = one.default
    shown = "" if default is None or default is False or default == "" or callable(default) else f"`{_plain(default)}`"
    return f"| {named} | {shown} | {_meaning(one)} |"


def _plain(default: Any) -> str:
    return "on" if default is True else str(default)


def _meaning(one: Any) -> str:
    choices = [one for one in get_args(one.type_descriptor.annotation) if isinstance(one, str)]
    says = (one.help or "").replace("|", "\\|")
    return says + (f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else "")


if __name__ == "__main__":
    Path(PAGE).write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
