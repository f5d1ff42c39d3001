"""Nothing of a document, a key, a reason or a name reaches the terminal as an escape or as markup."""

import ast
import io
import json
import logging
import re
import sys
from contextlib import suppress

import pytest

from rag_pipeline import cli
from rag_pipeline.defs.run import _show_our_log
from rag_pipeline.settings import PROJECT
from rag_pipeline.terminal import Printer, beginning, log_handler, one_line, visible
from tests.conftest import Workspace, column, table_contract

HOSTILE = {
    "clears the screen": "\x1b[2J\x1b[Hgone",
    "is a link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "sets the title": "\x1b]0;owned\x07",
    "rings": "bell\x07",
    "goes back": "safe\rrm -rf\x08\x08",
    "is an escape of one byte": "\x9b31mred",
    "turns around": "invoice\u202egpj.exe",
    "isolates": "\u2066left\u2069",
    "closes markup": "[/etc/motd]",
    "is markup": "[red]alarm[/red] [link=https://evil.example]here[/link]",
    "is a picture": ":warning: :smile:",
    "is half a character": "half \udc80",
    "breaks the line": "one\u2028two\x0bthree\x85four",
}
ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ALL = " ".join(text for name, text in HOSTILE.items() if name != "is half a character")
"""What JSON Lines and YAML can carry."""


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_a_terminal_would_act_upon_is_spelled_out(text: str) -> None:
    assert not ACTS.search(visible(text))
    assert not ACTS.search(one_line(text + "\nsecond\tthird"))
    assert "\n" not in one_line(text + "\nsecond")


def test_text_in_any_script_stays_as_it_is() -> None:
    for text in ("Grüße, 日本語, עברית, العربية", "👩‍💻 e\u0301 soft\u00adhyphen", "two\nlines\tand a tab", "C:\\temp [x]"):
        assert visible(text) == text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_lines_and_cells_show_the_text_even_in_colour(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`[x]` and `:smile:` are shown as these characters; a style is what the program says, and nothing else is one."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    printer = Printer()
    printer.say((text, "bold"), " → ", text, style="red")
    printer.table("name", "why", rows=[(text, text)])
    printer.indented(text)
    ours = re.compile(r"\x1b\[[0-9;]*m")
    assert ours.search(out.getvalue()), "it is in colour"
    shown = ours.sub("", out.getvalue())
    assert not ACTS.search(shown)
    assert shown.count(visible(text)) == 5


def test_log_lines_and_what_they_quote_of_an_error_are_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())
    logger = logging.Logger("of its own")
    logger.addHandler(log_handler())
    try:
        raise ValueError(ALL)
    except ValueError:
        logger.exception("%s: broken", ALL)
    assert err.getvalue().count("[/etc/motd]") == 2
    assert not ACTS.search(err.getvalue())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A release of documents whose keys, titles and queries are hostile, some of them refused."""
    workspace = Workspace(tmp_path_factory.mktemp("hostile"))
    texts = [f"{ALL}\nWe take {number} days of holiday each year." for number in range(3)]
    rows = [{"id": f"{ALL} {number}", "text": text, "title": ALL, "uri": ALL} for number, text in enumerate(texts)]
    rows += [{"id": "plain", "text": "Who wants to take a holiday asks the porter."}]
    rows += [{"id": ALL, "text": "", "title": ALL}, {"id": "", "text": ALL}]
    feed = workspace.root / "rows.jsonl"
    feed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    more = column("title", role="title"), column("uri", role="uri")
    workspace.contract("table", table_contract(feed, "jsonl", *more))
    workspace.golden("questions", {f"whom to ask for holiday {ALL}": ["table/plain"]})
    workspace.policy({"questions": {"floors": {"nDCG@10": 0.0}}})
    return workspace


def rag(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))
    monkeypatch.setenv("DAGSTER_HOME", str(workspace.root / "dagster"))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("sys.argv", ["rag", *words])
    with suppress(SystemExit):
        cli.main()
    return "".join(capsys.readouterr())


def test_no_command_hands_a_terminal_what_a_feed_says(
    hostile: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        out = rag(hostile, monkeypatch, capsys, *words)
        assert not ACTS.search(out), (words, out)
        return out

    monkeypatch.setenv("RAG_ACTOR", ALL)
    assert "Promoted" in said("refresh")
    found = said("query", "holiday each year", "--k", "3")
    assert "[/etc/motd]" in found
    assert "\\x1b[2J" in found
    assert ":smile:" in found
    hits = json.loads(rag(hostile, monkeypatch, capsys, "query", "holiday each year", "--json"))["hits"]
    hit = next(one for one in hits if one["title"] == ALL)  # --json is as it was
    assert "\\u202e" in said("trace", hit["chunk_id"])
    assert "[/etc/motd]" in said("status")
    (next(hostile.home.evidence.iterdir()) / "x[red]\x1b[2J.json").write_text("{}")
    assert "x[red]\\x1b[2J" in said("verify")
    listed = said("quarantine", "list")
    assert "text" in listed
    rows = json.loads(rag(hostile, monkeypatch, capsys, "quarantine", "list", "--json"))["rows"]
    assert any("[/etc/motd]" in said("quarantine", "show", row["quarantine_id"]) for row in rows)
    for words in (
        ("releases",),
        ("golden", "check"),
        ("golden", "new", "more"),
        ("contract", "check"),
        ("contract", "diff"),
    ):
        assert said(*words).strip()
    assert ALL not in said("query", ALL)
    assert "\\x1b[2J" in said("verify", ALL)
    assert "no source" in said("golden", "new", "another", "--source", ALL)
    said("refresh", "--source", ALL)
    said("report")


def test_nothing_else_prints() -> None:
    """No module but `terminal` uses rich, writes to stderr or makes a log handler; on stdout goes JSON, or a path."""
    found = []
    for path in (PROJECT / "rag_pipeline").rglob("*.py"):
        name = str(path.relative_to(PROJECT / "rag_pipeline"))
        if name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
                found += [(name, one) for one in names if one.split(".")[0] in {"rich", "click"}]
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                on_stdout = called == "sys.stdout.write" and name not in _ON_STDOUT
                found += [(name, called)] if called.endswith(_PRINTS) or on_stdout else []
    assert found == []


_PRINTS = (".print", "StreamHandler", "stderr.write", "basicConfig", "typer.echo", "typer.secho", "Console")
_ON_STDOUT = {"cli/show.py", "defs/home.py", "alerts/sender.py"}
"""One JSON object, the folder that make asks for, the answer to the process that started it."""


def test_our_log_is_shown_through_it() -> None:
    logger = logging.getLogger("rag_pipeline")
    before = list(logger.handlers)
    logger.handlers.clear()
    try:
        _show_our_log()
        assert [type(one.formatter).__name__ for one in logger.handlers] == ["LogFormatter"]
    finally:
        logger.handlers[:] = before


def test_an_error_nobody_foresaw_is_spelled_out(
    hostile: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError(ALL)

    monkeypatch.setattr(cli, "app", broken)
    said = rag(hostile, monkeypatch, capsys, "status")
    assert "Traceback" in said
    assert "[/etc/motd]" in said
    assert not ACTS.search(said)


def test_a_terminal_of_few_characters_gets_escapes_and_json_stays_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from rag_pipeline.cli.show import print_json
    from rag_pipeline.terminal import never_fail_to_print

    for encoding in ("ascii", "utf-8"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        never_fail_to_print()
        print_json({"key": "日本 é \udc80"})
        Printer().say("日本 é \udc80")
        sys.stdout.flush()
        first, _, rest = raw.getvalue().decode(encoding).partition("\n")
        assert json.loads(first) == {"key": "日本 é \udc80"}
        assert rest.strip()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a  b\n c", "a b c"),
        ("word " * 4, "word word word word"),
        ("word " * 5, "word word word word…"),
        ("w" * 30, "w" * 19 + "…"),
    ],
)
def test_what_is_cut_off_is_marked(text: str, shown: str) -> None:
    assert beginning(text, 20) == shown
