"""`embed bench`: which way to run the embedding model is fastest here, and what it costs in quality."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_pipeline.cli.show import AsJson, print_json
from rag_pipeline.errors import PipelineError
from rag_pipeline.settings import load_settings
from rag_pipeline.terminal import Printer

if TYPE_CHECKING:
    from rag_pipeline.evaluate.encoder_benchmark import Result

embed = typer.Typer(
    name="embed", no_args_is_help=True, help="Embedding: `bench` measures the ways to run the model on this machine."
)


_WIDTH = 110
"""Characters of the table; a narrower terminal wraps its lines, not its cells."""


@embed.callback()
def _group() -> None:
    """Keeps `bench` a command of its own while it is the only one."""


@embed.command()
def bench(
    texts: Annotated[int, typer.Option(min=64, help="How many stored chunks each way embeds, about.")] = 2_000,
    margin: Annotated[float, typer.Option(min=0, max=1, help="Loss of nDCG@10 that still counts as not worse.")] = 0.02,
    way: Annotated[
        list[str] | None,
        typer.Option(help="Measure only this way beside torch/fp32, such as openvino/fp32; repeat for several."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure speed, cosine, overlap@10 and nDCG@10 of every back end and precision, and say which to set.

    The sample is of the stored chunks, judged documents first, with the judged queries they answer; speed is the median
    over slices, in turns, and the rest is against torch fp32, by exact search. Nothing is stored but the exported graphs.
    Run it on a quiet machine; it takes minutes.
    """
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.corpus.encoders import KINDS, encoder_of
    from rag_pipeline.corpus.model import model_of
    from rag_pipeline.evaluate.encoder_benchmark import advice, embed_bench, sample_of, undecided
    from rag_pipeline.golden.read import readable_golden_sets
    from rag_pipeline.golden.resolve import corpus_for, resolve

    settings = load_settings()
    plain = settings.model_copy(update={"embed_backend": "torch", "embed_precision": "fp32"})
    model, device = model_of(plain), settings.device.split(":")[0]
    golden = readable_golden_sets(settings.evals)
    corpus = corpus_for(settings.home, [one.source for one in read_contracts(settings.contracts)], golden)
    sample = sample_of(settings.home, [resolve(one, corpus) for one in golden], texts, seed)
    ways = [kind for kind in KINDS if device in kind.devices]
    if unknown := set(way or ()) - {f"{kind.backend}/{kind.precision}" for kind in ways}:
        known = ", ".join(f"{kind.backend}/{kind.precision}" for kind in ways)
        raise PipelineError(f"--way {sorted(unknown)[0]}: RAG_DEVICE={settings.device} runs {known}")
    if way:
        ways = ways[:1] + [kind for kind in ways[1:] if f"{kind.backend}/{kind.precision}" in way]
    printer = Printer(stderr=as_json, least_width=_WIDTH)
    printer.say(
        f"{len(sample.texts):,} chunks, {len(sample.queries)} judged queries, {len(ways)} ways to run {settings.model}"
    )
    results = embed_bench(
        sample, ways, lambda way: encoder_of(replace(model, backend=way.backend, precision=way.precision)), seed=seed
    )
    best = advice(results, margin)
    if as_json:
        print_json(
            {
                "chunks": len(sample.texts),
                "queries": len(sample.queries),
                "margin": margin,
                "results": [_told(one) for one in results],
                "undecided": [one.way.name for one in undecided(results, margin)],
                "set": {"RAG_EMBED_BACKEND": best.way.backend, "RAG_EMBED_PRECISION": best.way.precision},
            }
        )
        return
    headers = ("way", "texts/s", "times", "cosine", "least", "overlap@10", "nDCG@10", "change", "from", "to")
    printer.table(*headers, rows=[_row(one) for one in results])
    for one in results:
        if one.problem:
            printer.say(f"  {one.way.name} was not measured: {one.problem}")
    if open_to_doubt := undecided(results, margin):
        names = ", ".join(one.way.name for one in open_to_doubt)
        printer.say(
            f"With {len(sample.queries)} judged queries nobody can tell whether {names} lose more than {margin:g}: "
            "ask for more --texts, which brings more queries, or judge more.",
        )
    printer.say(
        f"The fastest way that is not worse by more than {margin:g} of nDCG@10 (95 %, on these queries): {best.way.name}.\n"
        f"  export RAG_EMBED_BACKEND={best.way.backend} RAG_EMBED_PRECISION={best.way.precision}\n"
        "The next refresh embeds everything once more with it, and the gate judges it like another model.",
    )


def _row(one: "Result") -> tuple[Any, ...]:
    if one.problem:
        return (one.way.name, *("–",) * 9)
    change = [one.change.mean, one.change.lower, one.change.upper] if one.change else []
    return (
        one.way.name,
        f"{one.texts_per_second:.1f}",
        f"{one.speed:.2f}",
        f"{one.cosine_mean:.5f}",
        f"{one.cosine_least:.4f}",
        f"{one.overlap_at_10:.3f}",
        f"{one.ndcg:.4f}",
        *([f"{value:+.4f}" for value in change] or ("–",) * 3),
    )


def _told(one: "Result") -> dict[str, Any]:
    change = {"mean": one.change.mean, "lower": one.change.lower, "upper": one.change.upper} if one.change else None
    rest = {name: value for name, value in asdict(one).items() if name not in ("way", "change")}
    return {"backend": one.way.backend, "precision": one.way.precision, **rest, "change": change}
