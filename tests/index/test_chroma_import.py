"""Chroma is imported in short, and nothing else of the process is: in one of its own, as imports are the subject."""

import os
import subprocess
import sys
from pathlib import Path

IN_SHORT = """
import sys
from pathlib import Path
{prepare}
from rag_pipeline.index.chroma_import import chromadb
library = chromadb()
import overrides, pydantic_settings
assert overrides.override.__module__ == "overrides.overrides", overrides.override
assert pydantic_settings.BaseSettings.settings_customise_sources.__func__.__module__ == "pydantic_settings.main"
import jsonschema
jsonschema.validate(1, {{"type": "integer"}})
settings = library.config.Settings(anonymized_telemetry=False)
print(settings.chroma_server_host, settings.anonymized_telemetry)
client = library.PersistentClient(sys.argv[1], settings=settings)
collection = client.create_collection("one", embedding_function=None)
collection.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], documents=["x", "y"])
print(collection.query(query_embeddings=[[0.1, 0.9]], n_results=1)["ids"])
print("opentelemetry.exporter.otlp.proto.grpc.trace_exporter" in sys.modules)
client.close()
"""


def printed(folder: Path, prepare: str) -> list[str]:
    environment = {**os.environ, "CHROMA_SERVER_HOST": "said.example"}
    command = [sys.executable, "-c", IN_SHORT.format(prepare=prepare), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_it_works_reads_its_settings_and_leaves_others_alone(tmp_path: Path) -> None:
    in_short = printed(tmp_path / "short", "from rag_pipeline.process import prepare; prepare()")
    whole = printed(tmp_path / "whole", "")
    assert in_short == ["said.example False", "[['b']]", "False"]
    assert whole == ["said.example False", "[['b']]", "True"]
