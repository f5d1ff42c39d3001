"""Golden sets as assets, so that the graph shows what the evaluation rests on, and which judgments died."""

from pathlib import Path

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import EVALS_GROUP, documents, golden_set
from rag_pipeline.defs.present import Materialized, check, table
from rag_pipeline.evaluate.evaluate import documents_of
from rag_pipeline.evaluate.golden import read_golden_set
from rag_pipeline.evaluate.measure import alive
from rag_pipeline.settings import Settings

EXIST_CHECK = "every_judged_document_exists"


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
                EXIST_CHECK,
                asset=golden_set(name),
                description="Judgments of documents that are gone cannot be met by any release; judge again.",
            )
        ],
    )
    def golden() -> Materialized:
        one = read_golden_set(settings.evals / name)
        living = alive(one, documents_of(settings.home, sources))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(one.queries),
                "queries": len(one.queries),
                "judgments": living.judgments,
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
                    EXIST_CHECK,
                    not living.dead,
                    severity=dg.AssetCheckSeverity.WARN,
                    says=f"{len(living.dead)} of {living.judgments} judgments are dead" if living.dead else "",
                    dead_percent=round(living.dead_percent, 2),
                    dead=table(("query", "document"), living.dead, empty="none"),
                )
            ],
        )

    return golden
