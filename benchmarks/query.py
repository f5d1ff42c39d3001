"""Answering one question from an open release, embedding included: p50 and p95 in every way the release can retrieve.

`RAG_HOME=… .venv/bin/python -m benchmarks.query`: what serves there, asked its golden sets' questions one after the other,
as a service would that keeps release and model open. Run it alone on a quiet machine.
"""

import argparse
import statistics
import time

import numpy as np

from rag_pipeline.channels.pointer import release_in
from rag_pipeline.corpus.model import model_of
from rag_pipeline.golden.read import read_golden_sets
from rag_pipeline.index.manifest import MODES
from rag_pipeline.index.retrieve import Query, encoder_for, open_release, own_model
from rag_pipeline.process import prepare
from rag_pipeline.settings import load_settings


def main() -> None:
    prepare()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--k", type=int, default=10)
    arguments = parser.parse_args()
    settings = load_settings()
    texts = [text for golden in read_golden_sets(settings.evals) for text in golden.queries.values()]
    release = release_in(settings.home, "production")
    started = time.perf_counter()
    with open_release(settings.home, release, MODES) as opened:
        opening = time.perf_counter() - started
        model = own_model(opened.manifest, model_of(settings))
        started = time.perf_counter()
        encoder = encoder_for(settings.home, opened.manifest, model)
        loading = time.perf_counter() - started
        print(
            f"{release}: {opened.manifest.chunks:,} chunks, serves {opened.manifest.retrieval.mode}; "
            f"{len(texts)} questions, "
            f"model run by {model.backend} {model.precision}; opened in {opening:.2f} s, model loaded in {loading:.2f} s"
        )
        for mode in MODES:
            took: list[float] = []
            embedding: list[float] = []
            for text in (texts * arguments.rounds)[: 20 + arguments.rounds * len(texts)]:
                asked = time.perf_counter()
                vector = encoder.queries([text])[0] if mode != "lexical" else None
                embedded = time.perf_counter()
                opened.search(Query(text, vector), arguments.k, mode)
                took.append(1000 * (time.perf_counter() - asked))
                embedding.append(1000 * (embedded - asked))
            took, embedding = took[20:], embedding[20:]  # the first ones warm caches
            print(
                f"  {mode:<8} p50 {statistics.median(took):6.1f} ms  p95 {np.quantile(took, 0.95):6.1f} ms  "
                f"(embedding {statistics.median(embedding):.1f} of it)"
            )


if __name__ == "__main__":
    main()
