"""A first golden set for a corpus that has none: known-item queries, in a folder that is there whole or not at all."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rag_pipeline.errors import GoldenSetError, PipelineError
from rag_pipeline.files import sync
from rag_pipeline.golden.known_items import A_DOCUMENT, MOST_WORDS, KnownItem, Named, choose, clean, is_file, propose
from rag_pipeline.golden.made_probes import Asked, Draw, Known, Probe, probes_of, terms_of, text_of, unmasked
from rag_pipeline.golden.named import named_documents
from rag_pipeline.golden.question_lines import PROBES
from rag_pipeline.golden.rare_terms import WORDS
from rag_pipeline.golden.read import FILE, read_golden_set
from rag_pipeline.ours import remove_files

FEWEST = 10
"""Queries below which a set would tell nothing at all."""

_MADE_OF = {False: "titles and headings", True: "titles, headings and rare words"}


@dataclass(frozen=True, slots=True)
class NewSet:
    """What was proposed. `usable` of `looked_at` titles and headings could be asked; `left_out`: reason -> how many."""

    folder: Path
    chosen: tuple[KnownItem, ...]
    usable: int
    looked_at: int
    left_out: Counter[str]
    probes: tuple[Probe, ...] = ()

    @property
    def of_words(self) -> int:
        """Queries of rare words, which are made only where titles and headings are too few."""
        return sum(item.made_from == "terms" for item in self.chosen)

    @property
    def asks(self) -> str:
        """`24 titles and headings`, and how often rare words where those were too few."""
        named = len(self.chosen) - self.of_words
        parts = [f"{named} titles and headings"] if named or not self.of_words else []
        parts += [f"{self.of_words} times for words that few documents have"] if self.of_words else []
        return " and ".join(parts)

    @property
    def sources(self) -> Counter[str]:
        return Counter(item.source for item in self.chosen)


def new_set(evals: Path, name: str, asked: Asked, owner: str, draw: Draw, *, only: bool) -> NewSet:
    """Propose a set from titles and headings of some sources, and write it; `only`: judge by bare keys of the one source.

    Where fewer than `FEWEST` of them name one document (rows share titles), rare words of documents are asked too.
    Probes lie beside it.

    Raises `GoldenSetError` when the folder is there already, its name cannot be one, or the documents give too few queries;
    `PipelineError` when no document is loaded.
    """
    if not re.fullmatch(r"[^\W_][\w.-]*", name):
        raise GoldenSetError(f"{name!r} cannot be a golden set's name; use letters, digits, - and _")
    folder = evals / name
    _refuse_existing(folder)
    documents = [named for source in asked.sources for named in named_documents(asked.home, source)]
    if not documents:
        raise PipelineError(
            f"no document of {', '.join(asked.sources)} is loaded yet, so there is nothing to ask for; run `rag refresh`"
        )
    found = propose(documents)
    chosen = choose(found.usable, draw.count, draw.seed)
    if len(chosen) < FEWEST:
        chosen += _of_words(asked, documents, Draw(draw.count - len(chosen), draw.seed))
    if len(chosen) < min(FEWEST, draw.count):
        raise GoldenSetError(
            f"only {len(chosen)} usable titles, headings and rare words in {len(documents)} documents, and a set "
            f"needs {FEWEST}. Left out of {found.looked_at}: {reasons(found.left_out)}. Give documents titles that say what "
            "they are about, or write queries by hand"
        )
    known = Known([one.text for one in chosen], {one.document for one in chosen})
    probes = probes_of(asked, documents, known, Draw(seed=draw.seed))
    made = NewSet(folder, tuple(chosen), len(found.usable), found.looked_at, found.left_out, tuple(probes))
    with asked.home.exclusive_golden_set(folder.name, wait_s=30):
        _write(made, owner, asked.sources[0] if only else None, draw.seed)
    return made


def _of_words(asked: Asked, documents: list[Named], draw: Draw) -> list[KnownItem]:
    """Queries of three rare words, after the document's title, unless most documents have the same: what tells rows apart.

    Documents in turn, and of each as many as of titles and headings.
    """
    titles = {one.document: clean(one.title) for one in unmasked(documents) if not is_file(one.title)}
    shared = Counter(titles.values())
    made: list[KnownItem] = []
    for one in terms_of(asked, documents, frozenset(), draw, A_DOCUMENT):
        title = titles.get(one.document, "")
        tells = title and len(title.split()) <= MOST_WORDS - WORDS and 2 * shared[title] <= len(documents)
        text = f"{title}: {one.text}" if tells else one.text
        made.append(KnownItem(one.source, one.document, "terms", text))
    return made[: draw.count]


def reasons(left_out: Counter[str]) -> str:
    """`12 in several documents, 3 blank`, most frequent first."""
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common()) or "none"


def _write(made: NewSet, owner: str, source: str | None, seed: int) -> None:
    folder = made.folder
    _refuse_existing(folder)
    hidden = folder.with_name(f".{folder.name}.new")  # golden sets whose name begins with a point are not read
    names = (FILE, "queries.jsonl", "qrels/test.tsv", *([PROBES] if made.probes else []))
    remove_files(hidden, {*names, PROBES})  # of a run that was killed
    if hidden.exists():
        raise GoldenSetError(f"{hidden} is in the way and holds other files than a golden set's; move it elsewhere")
    (hidden / "qrels").mkdir(parents=True)
    queries = [
        {"_id": item.query_id, "text": item.text, "metadata": {"source": item.source, "made_from": item.made_from}}
        for item in made.chosen
    ]
    judged = [(item.query_id, item.document.removeprefix(f"{source}/") if source else item.document) for item in made.chosen]
    texts = (
        _about(made, owner, source, seed),
        "".join(json.dumps(query, ensure_ascii=False) + "\n" for query in queries),
        "query-id\tcorpus-id\tscore\n" + "".join(f"{query}\t{key}\t1\n" for query, key in judged),
        *([text_of(made.probes)] if made.probes else []),
    )
    for name, text in zip(names, texts, strict=True):
        (hidden / name).write_bytes(text.encode("utf-8"))
        sync(hidden / name)
    read_golden_set(hidden)
    sync(hidden / "qrels")
    sync(hidden)
    try:
        hidden.rename(folder)
    except OSError:
        _refuse_existing(folder)
        raise
    sync(folder.parent)


def _about(made: NewSet, owner: str, source: str | None, seed: int) -> str:
    said = {
        "description": f"{len(made.chosen)} known-item queries: {_MADE_OF[bool(made.of_words)]} that one document has. "
        "A first measure until people write and judge questions.",
        "owner": owner,
    }
    lines = [
        f"# By `rag golden new {made.folder.name}` with seed {seed}. Delete lines no user would ask; reword others.",
        *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in said.items()),
        "# A title asks with the document's own words, which is easier than a user's question: gated on floors only.",
        "made_by: machine",
        *([f"source: {source}"] if source else []),
        "metrics: [nDCG@10, recall@10, MRR@10]",
        "primary: nDCG@10",
        "slices: [source, made_from]",
    ]
    return "\n".join(lines) + "\n"


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise GoldenSetError(f"{folder} already exists and is not overwritten; choose another name, or remove it yourself")
