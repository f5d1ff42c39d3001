"""Golden sets as assets, so that the graph shows what the evaluation rests on, and which judgments died."""

from pathlib import Path
from typing import Any

import dagster as dg

from rag_pipeline.contracts.contract import Contract
from rag_pipeline.defs.keys import EVALS_GROUP, documents, golden_set
from rag_pipeline.golden.read import FILE, read_golden_set
from rag_pipeline.golden.resolve import ResolvedSet, corpus_for, resolve
from rag_pipeline.host.standard import ROWS, at, written_in
from rag_pipeline.host.ui_tables import Materialized, check, table
from rag_pipeline.settings import Settings

RESOLVE_CHECK = "every_judgment_resolves"


def golden_names(folder: Path) -> list[str]:
    """Names of the golden sets, by folder; their content is read when they are materialized."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def golden_assets(name: str, contracts: tuple[Contract, ...], settings: Settings) -> dg.AssetsDefinition:
    """The asset of one golden set."""
    sources, folder = [contract.source for contract in contracts], settings.evals / name

    @dg.asset(
        key=golden_set(name),
        deps=[documents(source) for source in sources],
        group_name=EVALS_GROUP,
        owners=[settings.owner],
        kinds={"yaml"},
        description=(
            f"The golden set `{name}`: queries with judged answers.\n\n- Grain: one query.\n- Origin: "
            f"`{folder}`.\n- Re-run: reads the files again and looks up every judged document."
        ),
        metadata=at(folder) | written_in(folder / FILE, folder / "queries.jsonl"),
        check_specs=[
            dg.AssetCheckSpec(
                RESOLVE_CHECK,
                asset=golden_set(name),
                description="Judged documents exist and contain the quoted passages; judge again what is gone.",
            )
        ],
    )
    def golden() -> Materialized:
        one = read_golden_set(folder)
        living = resolve(one, corpus_for(settings.home, sources, (one,)))
        return dg.MaterializeResult(
            metadata=_metadata(living),
            data_version=dg.DataVersion(one.fingerprint),
            check_results=[_resolves(living)],
        )

    return golden


def _metadata(living: ResolvedSet) -> dict[str, Any]:
    one = living.golden
    return {
        ROWS: len(one.queries),
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
    }


def _resolves(living: ResolvedSet) -> dg.AssetCheckResult:
    owner, gone = living.golden.about.owner, len(living.unresolved)
    says = (
        f"All {living.judgments} judgments can be met; {living.moved} of their quotes were found in another place than noted"
    )
    if gone:
        says = f"{gone} of {living.judgments} judgments cannot be met any more; {owner} can judge again"
    return check(
        golden_set(living.golden.name),
        RESOLVE_CHECK,
        not gone,
        severity=dg.AssetCheckSeverity.WARN,
        says=says,
        metadata={
            "judgments": living.judgments,
            "judgments_that_are_gone": gone,
            "resolved_percent": round(100 - living.unresolved_percent, 2),
            "unresolved": table(
                ("query", "document", "status", "quote", "owner"),
                [(one.query, one.document, one.status, one.quote, owner) for one in living.unresolved],
            ),
        },
    )
