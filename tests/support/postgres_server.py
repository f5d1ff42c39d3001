"""A PostgreSQL server of the tests' own, from the binaries that come with `pgserver`, or from the machine's own.

`pgserver` has no wheel for Python 3.13; the package `postgresql` of Debian does as well. `pgserver.get_server` itself is not
used: as root it creates a user of the machine and opens every folder above the data to all, and it listens on no port.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest


def _binaries() -> Path | None:
    package = importlib.util.find_spec("pgserver")  # importing it writes to the home folder
    if package and package.origin:
        return Path(package.origin).parent / "pginstall" / "bin"
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), default=None)


BINARIES = _binaries()
ADMIN, PASSWORD = "postgres", "admin-of-the-tests"


@dataclass
class Database:
    """A fresh database of the server, and what the tests do to it as its owner."""

    server: "Postgres"
    name: str

    def execute(self, *statements: str, parameters: tuple[Any, ...] = ()) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement, parameters or None)

    def insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join(["%s"] * len(rows[0]))
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def connect(self) -> psycopg.Connection[Any]:
        return self.server.connect(self.name)

    def connections(self) -> int:
        """Connections to this database that are not the caller's."""
        with self.server.connect("postgres") as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            found = connection.execute(query, (self.name,)).fetchone()
            assert found is not None
            return int(found[0])

    def wait_for_no_connection(self) -> None:
        """A backend needs a moment to notice that its client has gone."""
        deadline = time.monotonic() + 10
        while self.connections():
            assert time.monotonic() < deadline, "a connection to the database was left open"
            time.sleep(0.01)

    @property
    def url(self) -> str:
        """For contracts: without credentials."""
        return f"postgresql+psycopg://127.0.0.1:{self.server.port}/{self.name}"


@dataclass
class Postgres:
    """Started on a free port of the loopback; passwords are asked for."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="rag-postgres-")))
    connections: int = 20

    def __post_init__(self) -> None:
        if BINARIES is None:
            pytest.skip("no PostgreSQL on this machine (Debian: apt-get install postgresql)")
        self.user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            tried = subprocess.run(
                [str(BINARIES / "postgres"), "--version"], user=self.user, check=False, stdout=subprocess.DEVNULL
            )
            if tried.returncode:
                pytest.skip(f"PostgreSQL does not run as root, and {self.user} may not run {BINARIES}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb",
            "-c",
            "scram_iterations=1",
            "-U",
            ADMIN,
            "-E",
            "UTF8",
            "--locale=C",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-N",
        )
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": self.connections,
            "timezone": "Asia/Kathmandu",  # a session that does not say what it wants gets +05:45
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "-w", "-l", str(self.data / "log"), "-o", options, "start")

    def stop(self) -> None:
        """As a crash would: without a word to anybody."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def remove(self) -> None:
        if self.running():
            self.stop()
        shutil.rmtree(self.folder)

    def database(self) -> Database:
        """The one database of the tests, as if it had just been made: that is much quicker than to make it."""
        database = Database(self, "tests")
        with self.connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'tests'").fetchone():
                connection.execute("CREATE DATABASE tests")
            connection.execute("ALTER DATABASE tests RESET ALL")
            connection.execute("ALTER DATABASE tests CONNECTION LIMIT -1")
        with database.connect() as connection:
            own = "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"
            for (schema,) in connection.execute(own).fetchall():
                connection.execute(f"DROP SCHEMA {schema} CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute("GRANT USAGE ON SCHEMA public TO public")
        return database

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=ADMIN, password=PASSWORD, autocommit=True
        )

    def _run(self, program: str, *arguments: str) -> None:
        assert BINARIES is not None
        command = [str(BINARIES / program), "-D", str(self.data), *arguments]
        done = subprocess.run(
            command, user=self.user, cwd=self.folder, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert done.returncode == 0, done.stderr.decode()


def wait_until_sleeping(database: Database) -> None:
    with database.server.connect("postgres") as watcher:
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
        for _ in range(2_000):
            if watcher.execute(query, (database.name,)).fetchone():
                return
            watcher.execute("SELECT pg_sleep(0.005)")
    raise AssertionError("the listing never began")


def end_sessions(database: Database) -> None:
    """As an administrator would, or `idle_in_transaction_session_timeout`."""
    with database.server.connect("postgres") as admin:
        admin.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", (database.name,))
