"""Golden sets as assets, so that the graph shows what the evaluation rests on, and which judgments died."""

from pathlib import Path

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import EVALS_GROUP, documents, golden_set
from rag_pipeline.defs.present import Materialized, check, table
from rag_pipeline.evaluate.alive import Alive, alive, corpus_for
from rag_pipeline.evaluate.golden import read_golden_set
from rag_pipeline.settings import Settings

RESOLVE_CHECK = "every_judgment_resolves"


def golden_names(folder: Path) -> list[str]:
    """Names of the golden sets, by folder; their content is read when they are materialized."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def golden_assets(name: str, contracts: tuple[Contract, ...], settings: Settings) -> dg.AssetsDefinition:
    """The asset of one golden set."""
    sources = [contract.source for contract in contracts]

    @dg.asset(
        key=golden_set(name),
        deps=[documents(source) for source in sources],
        group_name=EVALS_GROUP,
        owners=[settings.owner],
        kinds={"yaml"},
        description=(
            f"The golden set `{name}`: queries with judged answers.\n\n**Grain**: one query. **Origin**: "
            f"`{settings.evals / name}`. **Re-run**: reads the files again and looks up every judged document."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                RESOLVE_CHECK,
                asset=golden_set(name),
                description="Judged documents are there, and quoted passages stand in them; judge again what is gone.",
            )
        ],
    )
    def golden() -> Materialized:
        one = read_golden_set(settings.evals / name)
        living = alive(one, corpus_for(settings.home, sources, (one,)))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(one.queries),
                "queries": len(one.queries),
                "probes": len(one.probes),
                "judgments": living.judgments,
                "resolved_percent": round(100 - living.unresolved_percent, 2),
                "moved_quotes": living.moved,
                "made_by": one.about.made_by,
                "owner": one.about.owner,
                "licence": one.about.licence,
                "about": one.about.description,
                "primary_metric": one.about.primary,
                "examples": table(("query",), [[text] for text in list(one.queries.values())[:5]]),
            },
            data_version=dg.DataVersion(one.fingerprint),
            check_results=[
                check(
                    golden_set(name),
                    RESOLVE_CHECK,
                    not living.unresolved,
                    severity=dg.AssetCheckSeverity.WARN,
                    says=_says(living),
                    resolved_percent=round(100 - living.unresolved_percent, 2),
                    unresolved=table(
                        ("query", "document", "status", "quote", "owner"),
                        [
                            (gone.query, gone.document, gone.status, gone.quote, one.about.owner)
                            for gone in living.unresolved
                        ],
                        empty="none",
                    ),
                )
            ],
        )

    return golden


def _says(living: Alive) -> str:
    if not living.unresolved:
        return ""
    gone = len(living.unresolved)
    return f"{gone} of {living.judgments} judgments cannot be met any more; {living.golden.about.owner} can judge again"
