"""docs/commands.md has a section for every command, as the command is now; its examples are lines that the command takes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from rag_pipeline.cli import app
from rag_pipeline.cli.examples import HELP
from tests.support.command_pages import BEGIN, END, PAGE, commands, section, written

COMMANDS = dict(commands())
EXAMPLES = [(name, line) for name, told in HELP.items() for line in told.examples]
RAG = Path(sys.executable).with_name("rag")


def test_the_page_is_as_the_commands_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert page == written(page), "run `make docs-commands`, and look at the difference"


def test_every_command_has_examples_and_says_what_its_json_holds() -> None:
    assert set(HELP) == set(COMMANDS)
    assert all(told.examples and told.json for told in HELP.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_names_every_option(name: str) -> None:
    text = section(name, COMMANDS[name])
    for one in COMMANDS[name].params:
        assert one.help or one.name == "help", f"{one.name} of rag {name} has no help"
        assert one.opts[0] in ("--json", "--help") or all(f"`{option}`" in text for option in one.opts if option[0] == "-")


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_is_a_line_that_its_command_takes(name: str, line: str) -> None:
    """Each is parsed by the command itself, which refuses an option that it does not have; nothing is run."""
    for one in line.split(";"):
        program, *words = shlex.split(one)
        assert program == "rag"
        command, context = typer.main.get_command(app), None
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        context = command.make_context(name, words)
        assert set(context.params) == {each.name for each in command.params if each.name != "help"}


def test_help_shows_the_groups_and_the_first_steps() -> None:
    shown = subprocess.run([str(RAG), "--help"], capture_output=True, text=True, check=True).stdout
    for panel in ("Make and run", "Ask and look", "Move what serves", "Sources and questions", "Keep it well", "Examples"):
        assert panel in shown
    assert "rag init handbook --from ~/pages" in shown


def test_a_shell_completes_commands() -> None:
    """As the script does that `rag --install-completion` installs."""
    asked = {"_RAG_COMPLETE": "complete_bash", "COMP_WORDS": "rag re", "COMP_CWORD": "1"}
    done = subprocess.run([str(RAG)], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["refresh", "report", "releases", "resume"]
    shown = subprocess.run([str(RAG), "--show-completion", "bash"], capture_output=True, text=True, check=False)
    assert "--install-completion" in PAGE.read_text(encoding="utf-8")
    assert "_RAG_COMPLETE" in shown.stdout + shown.stderr
