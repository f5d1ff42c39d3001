"""Evidence of the office, and ways to forge it."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from rag_pipeline.evaluate.evidence import Evidence
from rag_pipeline.evaluate.evidence_store import heads_table, read_lists
from rag_pipeline.evaluate.retrieved import Retrieved, checksum, packed
from rag_pipeline.files import write_json
from rag_pipeline.index.manifest import read_manifest
from tests.support.office import Office

MINUTE = timedelta(minutes=1)


def folder(office: Office, release: str | None = None) -> Path:
    manifest = read_manifest(office.home.releases / (release or office.first))
    return office.home.evidence_on(manifest.fingerprint)


def files(office: Office) -> list[Path]:
    return sorted(path for path in folder(office).glob("*.json") if not path.name.endswith(".examples.json"))


def forged(office: Office, change: Callable[[dict[str, Any]], object], lists: bool = False) -> None:
    """The newest evidence, changed, sealed anew with the function everybody has, and called as its new seal wants."""
    path = files(office)[-1]
    earlier = Evidence.model_validate_json(path.read_bytes())
    data = path.with_suffix(".parquet").read_bytes()
    if lists:
        known = read_lists(office.home, earlier)
        assert known is not None
        better = {query: ["handbook/cats.md" if query == "q0" else "handbook/dogs.md"] for query in ("q0", "q1")}
        data = packed({key: Retrieved(better, {}, {}) for key in known})
    content = json.loads(earlier.model_dump_json())
    change(content)
    sealed = Evidence.model_validate(content | {"lists": checksum(data)}).sealed()
    for old in folder(office).glob(f"{path.stem}*"):
        old.unlink()
    new = path.with_name(f"{path.name.partition('-')[0]}-{sealed.seal[:8]}.json")
    write_json(new, sealed.model_dump(mode="json"))
    new.with_suffix(".parquet").write_bytes(data)


def told_the_table(office: Office) -> None:
    """Who may write to RAG_HOME may write to the table too."""
    evidence = Evidence.model_validate_json(files(office)[-1].read_bytes())
    rows = heads_table(office.home).scan().collect().to_dicts()
    of_this = [row for row in rows if row["release_fingerprint"] == evidence.release_fingerprint]
    max(of_this, key=lambda row: row["sequence"]).update(seal=evidence.seal, file=files(office)[-1].name)
    heads_table(office.home).overwrite(pa.Table.from_pylist(rows, heads_table(office.home).schema))


def perfect(content: dict[str, Any]) -> None:
    for one in content["golden_sets"].values():
        one["values"] = {name: [1.0] * len(values) for name, values in one["values"].items()}


def worse(office: Office) -> str:
    """The candidate finds nothing of what is asked; a page about neither animal comes first."""
    office.serve(office.first)
    return office.second(
        {"cats.md": "# Felines\n\nnothing", "dogs.md": "# Hounds\n\nnothing", "x.md": "cats purr dogs bark"}
    )
