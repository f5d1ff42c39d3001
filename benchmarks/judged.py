"""Real documents with judged queries, loaded, embedded and released once, for the benchmarks that measure answers.

Each set of `../shared/data` becomes a pipeline of its own below the work folder: a contract, a golden set, a policy, and a
refresh. A second call finds it done.
"""

import ast
import csv
import itertools
import json
import os
import shutil
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.feed_contract import write_contract
from rag_pipeline.channels.pointer import serving
from rag_pipeline.defs.run import refresh
from rag_pipeline.settings import Settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
_FILES = {"path": "key", "text": "text", "title": "title", "uri": "uri"}
_ROWS = {"_id": "key", "text": "text", "title": "title"}
NAMES = ("gitlab_handbook", "squad_dev", "chunking_evaluation")
PAGES = "chunking_pages"
"""The long documents of chunking_evaluation as pages, judged by page: hundreds of documents, half of them asked for."""
PART = "squad_part"
"""All paragraphs of squad_dev, and of its questions every seventh: so that one paragraph in three is asked for by nobody."""
_PAGE = 2_000
"""Characters of such a page at least; it ends with its line."""


@dataclass(frozen=True)
class Judged:
    """One released corpus and the name of its golden set."""

    name: str
    settings: Settings

    @property
    def release(self) -> str:
        found = serving(self.settings.home)
        assert found, f"nothing serves in {self.settings.home}; run `rag refresh` there first"
        return found


def prepared(name: str, work: Path, data: Path = SHARED, **changes: Any) -> Judged:
    """The corpus `name`, released below `work` with the settings' `changes` (as `retrieval="dense"`)."""
    root = work / name
    settings = Settings(home=root / "home", contracts=root / "contracts", evals=root / "evals", **changes)
    os.environ["DAGSTER_HOME"] = str(root / "dagster")
    if not (root / "evals" / name).is_dir():
        for folder in (settings.contracts, settings.evals / name / "qrels"):
            folder.mkdir(parents=True, exist_ok=True)
        makers = {"gitlab_handbook": _gitlab, "squad_dev": _squad, "chunking_evaluation": _chunking}
        makers |= {PAGES: _pages, PART: _part}
        makers[name](root, data)
        policy = {
            "channels": {"production": {"golden_sets": {name: {"not_worse": None, "dead_judgments_max_percent": 100}}}}
        }
        (settings.evals / "gate.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    if not serving(settings.home):
        ran = refresh(settings)
        assert ran.success, ran.errors
    return Judged(name, settings)


def _gitlab(root: Path, data: Path) -> None:
    write_contract(root / "contracts", "gitlab_handbook", data / "gitlab-handbook/content", "documents", _FILES)
    _golden(root, "gitlab_handbook", data / "gitlab-handbook/golden", "test", source="gitlab_handbook")


def _squad(root: Path, data: Path) -> None:
    write_contract(root / "contracts", "squad_dev", data / "squad-dev/corpus.jsonl", "jsonl", _ROWS)
    _golden(root, "squad_dev", data / "squad-dev", "dev", source="squad_dev")


def _part(root: Path, data: Path) -> None:
    write_contract(root / "contracts", PART, data / "squad-dev/corpus.jsonl", "jsonl", _ROWS)
    _about(root, PART, "dev", PART)
    lines = (data / "squad-dev/queries.jsonl").read_text(encoding="utf-8").splitlines()[::7]
    asked = {str(json.loads(line)["_id"]) for line in lines}
    judged = (data / "squad-dev/qrels/dev.tsv").read_text(encoding="utf-8").splitlines()
    (root / "evals" / PART / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    qrels = [judged[0], *(line for line in judged[1:] if line.split("\t")[0] in asked)]
    (root / "evals" / PART / "qrels" / "dev.tsv").write_text("\n".join(qrels), encoding="utf-8")


def _chunking(root: Path, data: Path) -> None:
    name = "chunking_evaluation"
    write_contract(root / "contracts", name, data / "chunking-evaluation/corpora", "documents", _FILES)
    shutil.rmtree(root / "evals" / name / "qrels")
    _about(root, name, "test", name, metrics=["nDCG@10", "recall@10", "hit@10", "span_recall@5", "span_iou@5"])
    rows = _questions(data)
    lines = [
        {
            "_id": f"q{place}",
            "text": row["question"],
            "metadata": {"corpus": row["corpus_id"]},
            "references": [
                {"document": f"{row['corpus_id']}.md", "quote": one["content"], "start": one["start_index"]}
                for one in _json(row["references"])
            ],
        }
        for place, row in enumerate(rows)
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (root / "evals" / name / "queries.jsonl").write_text(text, encoding="utf-8")


def _questions(data: Path) -> list[dict[str, str]]:
    with (data / "chunking-evaluation/questions_df.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _pages(root: Path, data: Path) -> None:
    ends: dict[str, list[int]] = {}
    for file in sorted((data / "chunking-evaluation/corpora").glob("*.md")):
        text = file.read_bytes().decode("utf-8")
        ends[file.stem] = _page_ends(text)
        folder = root / "pages" / file.stem
        folder.mkdir(parents=True)
        for number, (start, end) in enumerate(itertools.pairwise([0, *ends[file.stem]])):
            (folder / f"{number:04}.md").write_bytes(text[start:end].encode("utf-8"))
    write_contract(root / "contracts", PAGES, (root / "pages").absolute(), "documents", _FILES)
    _about(root, PAGES, "test", PAGES)
    queries, judged = [], ["query-id\tcorpus-id\tscore"]
    for place, row in enumerate(_questions(data)):
        queries.append(json.dumps({"_id": f"q{place}", "text": row["question"]}, ensure_ascii=False))
        name, pages = row["corpus_id"], set()
        for one in _json(row["references"]):
            first, last = int(str(one["start_index"])), int(str(one["end_index"])) - 1
            pages |= set(range(bisect_right(ends[name], first), bisect_right(ends[name], last) + 1))
        judged += [f"q{place}\t{name}/{page:04}.md\t1" for page in sorted(pages)]
    folder = root / "evals" / PAGES
    (folder / "queries.jsonl").write_text("\n".join(queries), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("\n".join(judged), encoding="utf-8")


def _page_ends(text: str) -> list[int]:
    """Where pages end: with the first line or sentence that makes one long enough."""
    ends, start = [], 0
    while start < len(text):
        breaks = [text.find(mark, start + _PAGE) for mark in ("\n", ". ")]
        start = min([at + 1 for at in breaks if at >= 0], default=len(text))
        ends.append(start)
    return ends


def _json(text: str) -> list[dict[str, object]]:
    try:
        return list(json.loads(text))
    except json.JSONDecodeError:
        return list(ast.literal_eval(text))


def _about(root: Path, name: str, split: str, source: str, **more: object) -> None:
    about = {
        "description": f"{name}, to measure with",
        "owner": "bench@example.com",
        "source": source,
        "split": split,
        **more,
    }
    (root / "evals" / name / "golden.yaml").write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")


def _golden(root: Path, name: str, folder: Path, split: str, source: str) -> None:
    _about(root, name, split, source)
    shutil.copy(folder / "queries.jsonl", root / "evals" / name / "queries.jsonl")
    shutil.copy(folder / "qrels" / f"{split}.tsv", root / "evals" / name / "qrels" / f"{split}.tsv")
