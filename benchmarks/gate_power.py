"""How often the gate is right: nights drawn from real per-query scores, decided by the gate itself.

`.venv/bin/python -m benchmarks.gate_power` (an hour on two cores; `--nights 100` for a look). Corpora: this project's own,
as `make refresh` released it, and those of ../shared/data. Candidates: the same release again, planted regressions, and
regressions undone. A night is a golden set of so many queries drawn from all of a corpus with replacement.

It says for each candidate what it truly changes on all queries, and how many nights the gate said what. Expected: an
unchanged release refused at most 5 % of the nights; what truly is at the margin or worse promoted at most 5 %; a true
gain promoted at least 90 %.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.judged import NAMES, SHARED, Judged, prepared
from rag_pipeline.corpus.model import Vectors, model_of
from rag_pipeline.corpus.tables import vectors_table
from rag_pipeline.evaluate import compare
from rag_pipeline.evaluate.alive import Alive, alive, corpus_for
from rag_pipeline.evaluate.bench import Bench
from rag_pipeline.evaluate.evidence import Evidence, SetEvidence
from rag_pipeline.evaluate.golden import read_golden_set
from rag_pipeline.evaluate.measure import Rankings, evaluate_way
from rag_pipeline.evaluate.places import Places, places_of
from rag_pipeline.index.contents import contents
from rag_pipeline.index.manifest import RetrievalParameters
from rag_pipeline.release.demands import golden_sets
from rag_pipeline.release.policy import NotWorse, read_policy
from rag_pipeline.settings import load_settings

METRICS = ["nDCG@10", "recall@10", "hit@10", "judged@10"]
DRAWS = 2_000
"""Of each bootstrap here, a fifth of the gate's, to afford a thousand nights."""
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Index:
    """A corpus in memory, searched exactly: what approximate search loses is measured elsewhere."""

    places: Places
    ids: list[str]
    vectors: Vectors
    living: Alive
    queries: dict[str, Vectors]

    def scores(self, vectors: Vectors | None = None, keep: np.ndarray | None = None) -> Scores:
        """metric -> query -> value, with other vectors for the same chunks, or some chunks only."""
        matrix = self.vectors if vectors is None else vectors
        names, asked = list(self.queries), np.stack(list(self.queries.values()))
        found: dict[str, list[tuple[str, float]]] = {}
        for start in range(0, len(names), 512):
            nearness = asked[start : start + 512] @ matrix.T
            if keep is not None:
                nearness[:, ~keep] = -2
            best = np.argpartition(-nearness, 100, axis=1)[:, :100]
            for row, name in enumerate(names[start : start + 512]):
                ranked = [(self.ids[place], float(nearness[row, place])) for place in best[row]]
                found[name] = sorted((one for one in ranked if one[1] > -1.5), key=lambda one: (-one[1], one[0]))
        way = RetrievalParameters()
        return evaluate_way(None, self.places, self.living, Rankings(found, {}), way, METRICS).per_query  # type: ignore[arg-type]


def index_of(judged: Judged) -> Index:
    settings, model = judged.settings, model_of(judged.settings)
    golden = read_golden_set(settings.evals / judged.name)
    with ExitStack() as stack:
        bench = Bench.open(stack, settings.home, judged.release, model, all_modes=False)
        manifest = bench.release.manifest
        living = alive(golden, corpus_for(settings.home, list(manifest.sources), (golden,)))
        queries = bench.vectors(living)
    chunks = contents(settings.home / "releases" / judged.release, manifest).select("chunk_id", "text_hash").collect()
    stored = (
        vectors_table(settings.home)
        .scan()
        .filter(pl.col("model") == manifest.model.fingerprint)
        .select("text_hash", "vector")
    )
    both = chunks.join(stored.unique("text_hash").collect(), on="text_hash", how="left", maintain_order="left")
    vectors = both["vector"].explode().to_numpy().reshape(both.height, -1).astype(np.float32)
    places = places_of(settings.home, manifest, both["chunk_id"], set())
    return Index(places, both["chunk_id"].to_list(), _unit(vectors), living, queries)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def candidates(index: Index) -> Iterator[tuple[str, Scores]]:
    """What a release could be instead, and what it gives for each query."""
    generator = np.random.default_rng(5)
    documents = np.array([index.places.span(chunk)[0] for chunk in index.ids])
    known = np.unique(documents)
    yield "unchanged", index.scores()
    yield "unchanged, vectors rounded to 16 bit", index.scores(_unit(index.vectors.astype(np.float16).astype(np.float32)))
    near = index.vectors + generator.normal(size=index.vectors.shape).astype(np.float32) * 0.002
    yield "unchanged, but for noise of another machine", index.scores(_unit(near))
    gone = generator.choice(known, size=max(1, len(known) // 20), replace=False)
    yield "5 % of the documents missing", index.scores(keep=~np.isin(documents, gone))
    yield "vectors cut to 48 numbers of 384", index.scores(_padded(index.vectors, 48))
    yield "vectors shuffled", index.scores(index.vectors[generator.permutation(len(index.ids))])
    some = generator.permutation(np.flatnonzero(generator.random(len(index.ids)) < 0.1))
    mixed = index.vectors.copy()
    mixed[np.sort(some)] = index.vectors[some]
    yield "a tenth of the vectors shuffled", index.scores(mixed)
    yield "a slice dropped", index.scores(keep=~np.isin(documents, sorted(_slice(index.living))))
    wanted = Counter(document for grades in index.living.qrels.values() for document, grade in grades.items() if grade > 0)
    one, other = [name for name, _ in wanted.most_common(2)]
    yield "the two most asked documents swapped", index.scores(_swapped(index.vectors, documents, one, other))


def _slice(living: Alive) -> set[str]:
    """Documents of whole groups (a source, a folder, an article), until every twentieth query asks for one of them."""
    asked = Counter(_group(name) for grades in living.qrels.values() for name, grade in grades.items() if grade > 0)
    groups: set[str] = set()
    for group, _ in sorted(asked.items(), key=lambda item: (item[1], item[0])):
        if sum(asked[one] for one in groups) * 20 < sum(asked.values()):
            groups.add(group)
    return {name for grades in living.qrels.values() for name in grades if _group(name) in groups}


def _group(document: str) -> str:
    source, _, key = document.partition("/")
    if source in ("python_docs", "squad_dev"):
        return key.split("#")[0]
    return key.rpartition("/")[0] if "/" in key else source if source.startswith(("python", "installed")) else key


def _padded(vectors: Vectors, width: int) -> Vectors:
    cut = np.zeros_like(vectors)
    cut[:, :width] = vectors[:, :width]
    return _unit(cut)


def _swapped(vectors: Vectors, documents: np.ndarray, one: str, other: str) -> Vectors:
    """Each chunk of one document has the vector of a chunk of the other."""
    swapped = vectors.copy()
    first, second = np.flatnonzero(documents == one), np.flatnonzero(documents == other)
    swapped[first] = vectors[np.resize(second, len(first))]
    swapped[second] = vectors[np.resize(first, len(second))]
    return swapped


def recut(judged: Judged, work: Path, tokens: int) -> Scores:
    """The same documents cut into chunks of other length, embedded and released beside."""
    other = prepared(judged.name, work / f"{tokens}_tokens", retrieval="dense", chunk_tokens=tokens)
    return index_of(other).scores()


def at_the_margin(base: Scores, bad: Scores, margin: float, generator: np.random.Generator) -> Scores:
    """The bad candidate's answers for as many queries, drawn at random, as bring the loss to the margin exactly."""
    names = list(base["nDCG@10"])
    order = generator.permutation(len(names))
    loss, taken = 0.0, set()
    for place in order:
        drop = base["nDCG@10"][names[place]] - bad["nDCG@10"][names[place]]
        if loss < margin * len(names):
            loss += drop
            taken.add(names[place])
    return {metric: {name: (bad if name in taken else base)[metric][name] for name in names} for metric in base}


@dataclass(frozen=True)
class Trial:
    """One candidate against production on one corpus, for nights of `queries` each."""

    corpus: str
    candidate: str
    queries: int
    mine: dict[str, list[float]]
    theirs: dict[str, list[float]]

    @property
    def truly(self) -> dict[str, float]:
        return {name: float(np.mean(self.mine[name]) - np.mean(self.theirs[name])) for name in self.mine}

    @property
    def lost(self) -> float:
        return float(np.mean(np.array(self.mine["hit@10"]) < np.array(self.theirs["hit@10"])))


def nights(trial: Trial, evals: Path, number: int, seed: int) -> Counter[str]:
    """How often the gate said what."""
    compare.DRAWS = DRAWS
    policy, generator, said = read_policy(evals), np.random.default_rng(seed), Counter[str]()
    total = len(trial.mine["nDCG@10"])
    mine = {name: np.array(values) for name, values in trial.mine.items()}
    theirs = {name: np.array(values) for name, values in trial.theirs.items()}
    for _ in range(number):
        drawn = generator.integers(0, total, size=trial.queries)
        measured = SetEvidence(
            fingerprint="",
            primary="nDCG@10",
            query_ids=[str(place) for place in range(trial.queries)],
            judgments=trial.queries,
            values={name: values[drawn].tolist() for name, values in mine.items()},
            production={name: values[drawn].tolist() for name, values in theirs.items()},
        )
        evidence = Evidence.model_construct(golden_sets={"set": measured}, compared_with="production", latency=[])
        found = golden_sets(evidence, policy, "production").reasons
        order = ("could not be evaluated", "regressed", "inconclusive")
        said[next((one for one in order if any(reason.outcome == one for reason in found)), "passed")] += 1
    return said


def trials(judged: Judged, index: Index, others: dict[str, Scores], sizes: list[int]) -> Iterator[Trial]:
    """Every candidate against production, at the margin too, and the other way round where that is a gain."""
    margin, generator = NotWorse().margin, np.random.default_rng(11)
    found = dict(candidates(index)) | others
    base = found["unchanged"]
    names = list(base["nDCG@10"])

    def values(scores: Scores) -> dict[str, list[float]]:
        return {metric: [by_query[name] for name in names] for metric, by_query in scores.items()}

    pairs = {label: (scores, base) for label, scores in found.items()}
    for label in ("vectors shuffled", "vectors cut to 48 numbers of 384"):
        pairs[f"at the margin: {label}, for some queries"] = (at_the_margin(base, found[label], margin, generator), base)
    for label, scores in found.items():
        if np.mean(list(scores["nDCG@10"].values())) < np.mean(list(base["nDCG@10"].values())) - 0.001:
            pairs[f"undone: {label}"] = (base, scores)
    for label, (mine, theirs) in pairs.items():
        for size in sizes:
            yield Trial(judged.name, label, size, values(mine), values(theirs))


def verdict_on(trial: Trial, promoted: float, margin: float, limit: float) -> str:
    """Whether the gate kept its promise, where it promises something."""
    change = trial.truly["nDCG@10"]
    if trial.candidate.startswith("unchanged"):
        return "kept" if promoted >= 0.95 else "MISSED"
    if trial.candidate.startswith("undone"):
        return "between" if change < margin else "kept" if promoted >= 0.90 else "MISSED"
    if change <= -margin + 1e-6 or trial.lost > limit:
        return "kept" if promoted <= 0.05 else "MISSED"
    return "between"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=1000)
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--work", type=Path, default=Path(".rag-bench"))
    parser.add_argument("--corpora", nargs="*", default=["python_docs", *NAMES])
    parser.add_argument("--tokens", type=int, default=32, help="length of the other chunks; 0: leave that candidate out")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    found: list[Trial] = []
    policy = arguments.work / "default_policy"
    policy.mkdir(parents=True, exist_ok=True)
    (policy / "gate.yaml").write_text("channels: {production: {golden_sets: {set: {}}}}\n", encoding="utf-8")
    for name in arguments.corpora:
        own = name == "python_docs"
        judged = Judged(name, load_settings()) if own else prepared(name, arguments.work, arguments.data, retrieval="dense")
        index = index_of(judged)
        others = {}
        if arguments.tokens and not own:
            others[f"chunks of {arguments.tokens} tokens"] = recut(judged, arguments.work, arguments.tokens)
        total = len(index.queries)
        found += trials(judged, index, others, [min(total, 300)])
        print(f"{name}: {total} queries, {len(index.ids)} chunks", flush=True)
    demands = read_policy(policy).channel("production").golden_sets["set"].not_worse
    assert demands is not None and demands.hit_to_miss_max_percent is not None
    print(
        f"{'corpus':20} {'candidate':64} {'queries':>7} {'nDCG@10':>8} {'lost':>6} {'passed':>7} {'regr.':>7} {'incon.':>7}"
    )
    rows = []
    with ProcessPoolExecutor(2) as pool:
        said = pool.map(nights, found, [policy] * len(found), [arguments.nights] * len(found), range(len(found)))
        for trial, counts in zip(found, said, strict=True):
            share = {one: counts[one] / arguments.nights for one in ("passed", "regressed", "inconclusive")}
            kept = verdict_on(trial, share["passed"], demands.margin, demands.hit_to_miss_max_percent / 100)
            print(
                f"{trial.corpus:20} {trial.candidate:64} {trial.queries:7} {trial.truly['nDCG@10']:+8.4f} {trial.lost:6.1%} "
                f"{share['passed']:7.1%} {share['regressed']:7.1%} {share['inconclusive']:7.1%}  {kept}",
                flush=True,
            )
            rows.append(
                {"corpus": trial.corpus, "candidate": trial.candidate, "queries": trial.queries, "kept": kept} | share
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
