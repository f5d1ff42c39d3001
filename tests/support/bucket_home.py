"""A home in a bucket: a store (moto's S3, unless a test says another one) and PostgreSQL, which all its machines share.

A machine is a folder for its copies: two in one process know nothing of each other but what the bucket and the locks say.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rag_pipeline.home import RELEASES, Home
from rag_pipeline.settings import Settings, settings_of
from rag_pipeline.storage.areas import is_carried
from rag_pipeline.storage.attach import mirror_of
from rag_pipeline.storage.objects import StoredObjects, in_bucket
from rag_pipeline.storage.releases import HomeMirror
from rag_pipeline.urls import BucketScheme
from tests.conftest import Workspace
from tests.support.bucket_stores import STORES, Store, azure_store, s3_store
from tests.support.object_store import set_credentials
from tests.support.postgres_server import Postgres


@dataclass
class BucketHome:
    """The address of one home, and what its machines have in common."""

    uri: str
    store: Store
    server: Postgres
    locks: str
    folder: Path

    def machine(self, name: str = "one", **values: object) -> Settings:
        """The settings of a machine, which has its copies in a folder of its own."""
        return settings_of({"home": self.uri, "cache": self.folder / name, **values}, lambda setting: setting)

    def mirror(self, name: str = "one") -> HomeMirror:
        return mirror_of(self.machine(name).home.root)

    def of(self, workspace: Workspace, name: str = "one", **values: object) -> Settings:
        """A machine that works with the contracts and golden sets of a workspace."""
        return self.machine(name, contracts=workspace.root / "contracts", evals=workspace.root / "evals", **values)

    def environment(self, workspace: Workspace, name: str = "one") -> dict[str, str]:
        """What a process of its own needs to be such a machine."""
        own = {"HOME": self.uri, "CACHE": self.folder / name, "LOCKS": self.locks}
        own |= {"CONTRACTS": workspace.root / "contracts", "EVALS": workspace.root / "evals"}
        return {
            **os.environ,
            **{f"RAG_{key}": str(value) for key, value in own.items()},
            "DAGSTER_HOME": str(self.folder / name / "dagster"),
        }

    @property
    def objects(self) -> StoredObjects:
        return in_bucket(self.uri)

    def there(self) -> set[str]:
        """Every key."""
        return {one.key for one in self.objects.list("")}

    def end_locks(self) -> int:
        """End every session that holds a lock, as a restart of the server does; how many there were."""
        query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'rag_pipeline locks'"
        with self.server.connect("postgres") as admin:
            return len(admin.execute(query).fetchall())


@contextmanager
def bucket_homes(folder: Path) -> Iterator[tuple[Store, Postgres]]:
    """The two servers that every home in a bucket of the tests shares."""
    server = Postgres(connections=60)
    try:
        with s3_store(folder) as running:
            yield running, server
    finally:
        server.remove()


def new_home(
    servers: tuple[Store, Postgres], folder: Path, monkeypatch: pytest.MonkeyPatch, *, name: str = "home"
) -> BucketHome:
    """An empty bucket, and the environment in which this process works on a home there."""
    running, server = servers
    set_credentials(monkeypatch)
    bucket = f"bucket-{os.urandom(6).hex()}"
    running.make(bucket)
    database = server.database()
    locks = f"postgresql://postgres:admin-of-the-tests@127.0.0.1:{server.port}/{database.name}"
    for variable, said in {**running.variables(), "RAG_LOCKS": locks}.items():
        monkeypatch.setenv(variable, said)
    return BucketHome(f"{running.scheme}://{bucket}/{name}", running, server, locks, folder)


@pytest.fixture(scope="session")
def bucket_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Postgres]]:
    with bucket_homes(tmp_path_factory.mktemp("store")) as servers:
        yield servers


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with azure_store(tmp_path_factory.mktemp("azurite")) as store:
        yield store


on_each_store = pytest.mark.parametrize("bucket", STORES, indirect=True)
"""A test that runs on every store that is present. Without it, `bucket` is S3's."""


@pytest.fixture
def bucket(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BucketHome:
    """An empty home in a bucket."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return home_on(getattr(request, "param", "s3"), request, tmp_path / "machines", monkeypatch)


def home_on(
    scheme: BucketScheme, request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> BucketHome:
    """An empty home in a bucket of such a store."""
    running, server = request.getfixturevalue("bucket_servers")
    return new_home((request.getfixturevalue("azurite") if scheme == "az" else running, server), folder, monkeypatch)


@dataclass
class InBucket(Workspace):
    """A workspace whose home lies in a bucket."""

    bucket: BucketHome

    @property
    def settings(self) -> Settings:
        return self.bucket.of(self)

    @property
    def home(self) -> Home:
        return self.settings.home


def taken_to(bucket: BucketHome, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> InBucket:
    """The same pipeline with its home in a bucket, object for file as it lies there, whoever wrote it."""
    root = workspace.root / "home"
    for path in root.rglob("*"):
        key = path.relative_to(root).as_posix()
        of_a_release = key.startswith(f"{RELEASES}/") and not key.startswith(f"{RELEASES}/.")
        if path.is_file() and (of_a_release or is_carried(key)):
            bucket.objects.put(key, path)
    for variable, value in {"RAG_HOME": bucket.uri, "RAG_CACHE": str(bucket.folder / "one")}.items():
        monkeypatch.setenv(variable, value)
    return InBucket(workspace.root, bucket)


PLACES = ["on disk", "in a bucket"]
Place = Callable[[str, Workspace], Workspace]


@pytest.fixture
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A pipeline as it lies on disk, or with its home taken to a bucket as it is."""

    def placed(where: str, workspace: Workspace) -> Workspace:
        if where == PLACES[0]:
            return workspace
        dagster = os.environ["DAGSTER_HOME"]
        bucket = request.getfixturevalue("bucket")
        monkeypatch.setenv("DAGSTER_HOME", dagster)
        return taken_to(bucket, workspace, monkeypatch)

    return placed
