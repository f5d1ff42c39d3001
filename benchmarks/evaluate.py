"""Evaluating the 10,570 queries of squad-dev against embedding them in one `encode` call, in pairs.

`.venv/bin/python -m benchmarks.evaluate` on a quiet machine. Each pair: `SentenceTransformer.encode` of all queries with
its defaults; then an evaluation of the release with no vector known, all three ways to retrieve, comparison with itself
left out; then again with the vectors known. The model is loaded before.
"""

import argparse
import shutil
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from sentence_transformers import SentenceTransformer

from benchmarks.judged import SHARED, prepared
from rag_pipeline.corpus.model import model_of
from rag_pipeline.corpus.query_vectors import query_vectors_table
from rag_pipeline.evaluate.evaluate import Evaluation, evaluate_release
from rag_pipeline.golden.read import read_golden_sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--work", type=Path, default=Path(".rag-bench"))
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    judged = prepared("squad_dev", arguments.work, arguments.data, retrieval="dense")
    golden, model = read_golden_sets(judged.settings.evals), model_of(judged.settings)
    texts = [text for one in golden for text in one.queries.values()]
    plain = SentenceTransformer(str(model.folder), device="cpu", local_files_only=True)
    model.load().queries(texts[:64])
    ratios, again = [], []
    for pair in range(arguments.pairs):
        encoding = timed(lambda: plain.encode(texts, show_progress_bar=False))
        shutil.rmtree(query_vectors_table(judged.settings.home).path, ignore_errors=True)
        work = Evaluation(judged.settings.home, golden, model, {}, f"pair-{pair}", datetime.now(UTC))
        first = timed(lambda work=work: evaluate_release(work, judged.release, None))
        second = timed(lambda work=work: evaluate_release(work, judged.release, None))
        ratios.append(first / encoding)
        again.append(second / encoding)
        print(
            f"encode {encoding:.1f} s, evaluated {first:.1f} s ({ratios[-1]:.2f}), again {second:.1f} s ({again[-1]:.2f})",
            flush=True,
        )
    print(
        f"{len(texts)} queries; median ratio {statistics.median(ratios):.2f}, vectors known {statistics.median(again):.2f}"
    )


def timed(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
