"""Answers against reference answers that people wrote: questions of a company handbook that text alone can answer.

Run it from the checkout: `.venv/bin/python -m benchmarks.reference_answers --work FOLDER` (the first time it loads and
embeds the handbook: some minutes). Of the six kinds of questions three are left out, which no retrieval can answer: those
about pictures, those that go on from a question before, and those that hang on the day they are asked.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

from benchmarks.judged import SHARED, prepared
from rag_pipeline.corpus.model import model_of
from rag_pipeline.evaluate.answers import Spent, figures_of, measure_answers
from rag_pipeline.golden.read import read_golden_set
from rag_pipeline.golden.reference_answers import ANSWERS
from rag_pipeline.golden.unanswerable import UNANSWERABLE
from rag_pipeline.process import prepare

NAME = "gitlab_handbook"
KINDS = ("single_text", "multi-hop_reasoning", "negation_exclusion")
UNRELATED = 500


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder to build in, and to find built the next time")
    judged = prepared(NAME, parser.parse_args().work)
    evals = judged.settings.evals
    beside(evals / NAME, SHARED)
    golden = read_golden_set(evals / NAME)
    measured = measure_answers(judged.settings.home, judged.release, model_of(judged.settings), [golden], evals)
    [found] = measured.sets
    print(measured.bounds.says)
    for name in found.figures.__slots__:
        print(f"  {name}: {getattr(found.figures, name)}")
    for kind in KINDS:
        mine = [one for one in found.answers if one.query.startswith(kind) and one.references]
        figures = figures_of(mine, measured.bounds, Spent())
        held, f1 = figures.reference_held, figures.reference_f1
        print(
            f"{kind}: {figures.with_reference} questions, {held} within a sentence, {figures.reference_exact} exact, F1 {f1}"
        )


def beside(folder: Path, data: Path) -> None:
    """Write the reference answers of the questions that text can answer, and questions that nothing here answers."""
    answers: dict[str, list[str]] = defaultdict(list)
    for kind in KINDS:
        for line in (data / f"gitlab-handbook/datasets/{kind}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            answers[row["question"]].append(str(row["answer"]))
    asked = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines() if line]
    rows = [{"_id": one["_id"], "answers": answers[one["text"]]} for one in asked if one["text"] in answers]
    others = (data / "squad-dev/queries.jsonl").read_text(encoding="utf-8").splitlines()
    every = [{"_id": f"u{number}", "text": json.loads(line)["text"]} for number, line in enumerate(others[::21][:UNRELATED])]
    for name, lines in ((ANSWERS, rows), (UNANSWERABLE, every)):
        (folder / name).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
