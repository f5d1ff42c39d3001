"""What a run did, as plain values for the command line. Reads, never writes."""

from typing import TYPE_CHECKING, Any

from rag_pipeline.channels.pointer import serving
from rag_pipeline.settings import Settings

if TYPE_CHECKING:
    from rag_pipeline.defs.run import Ran


def summarize(ran: "Ran", settings: Settings) -> dict[str, Any]:
    """One refresh, for people who did not open the UI."""
    from rag_pipeline.host.ui_tables import said  # imports Dagster, which `rag status` has no need of

    assets = ran.assets
    embeddings, candidate = assets.get("corpus/embeddings", {}), assets.get("index/candidate", {})
    evaluation, production = assets.get("index/evaluation", {}), assets.get("index/production", {})
    fields = ("outcome", "documents", "added", "changed", "removed", "held_because")
    summary: dict[str, Any] = {
        "run_id": ran.run_id,
        "success": ran.success,
        "refused": ran.refused,
        "sources": [
            {
                "source": key.split("/")[0],
                "refused": assets[key.replace("/documents", "/quarantine")]["open"],
                **{name: metadata[name] for name in fields},
            }
            for key, metadata in assets.items()
            if key.endswith("/documents")
        ],
        "chunks": assets.get("corpus/chunks", {}).get("chunks"),
        "texts_embedded": embeddings.get("embedded"),
        "texts_reused": embeddings.get("reused"),
        "release": candidate.get("release"),
        "built": candidate.get("built", False),
        "verdict": evaluation.get("verdict"),
        "notes": said(evaluation.get("notes", "")),
        "judged_queries": said(evaluation.get("judged_queries", "")),
        "metrics": {name: value for name, value in evaluation.items() if "@" in name},
        "promoted": production.get("promoted", False),
        "held": production.get("held", ""),
        "production": serving(settings.home),
        "failed_checks": [
            {"asset": one.asset, "check": one.check, "severity": one.severity, "description": one.description}
            for one in ran.failed_checks
        ],
        "errors": list(ran.errors),
        "stages": ran.stages,
    }
    return summary | {"says": _says(summary)}


def _says(summary: dict[str, Any]) -> str:
    serving = summary["production"] or "nothing"
    if summary["refused"] and summary["promoted"]:
        return f"Promoted: {summary['release']} serves now. The gate of another channel refused it; that one stays."
    if summary["refused"]:
        verdict = f" ({summary['verdict']})" if summary["verdict"] else ""
        stays = f"production stays, {serving} serves on" if summary["production"] else "nothing serves yet"
        return f"The gate refused {summary['release']}{verdict}. Nothing failed: {stays}."
    if not summary["success"]:
        return f"The run failed; production stays as it was ({serving} serves)."
    if summary["promoted"]:
        return f"Promoted: {summary['release']} serves now."
    if summary["held"]:
        built = f"{summary['release']} was built and evaluated, and not promoted" if summary["release"] else "Not promoted"
        return f"{built}: production is {summary['held']}. {serving} serves on."
    if summary["release"] and summary["release"] == summary["production"]:
        embedded = "" if summary["texts_embedded"] else "no text embedded, "
        return f"Nothing changed: {embedded}no release built; {serving} serves on."
    return f"Built {summary['release']}, not promoted; {serving} serves."
