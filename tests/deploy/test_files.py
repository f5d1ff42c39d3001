"""What `deploy/` says fits the pipeline: one configuration, the same processes in each form, no secret."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rag_pipeline.settings import PROJECT, Settings
from rag_pipeline.variables import SECRETS
from tests.support.deployed import DEPLOY, SERVICES, compose

UNITS = {name: DEPLOY / "systemd" / f"rag-{name}.service" for name in SERVICES}


def command_of(unit: Path) -> list[str]:
    (line,) = re.findall(r"(?m)^ExecStart=(.+)$", unit.read_text(encoding="utf-8"))
    return shlex.split(line)


def variables(text: str) -> set[str]:
    """Those that a file of variables sets, or offers to set."""
    return set(re.findall(r"(?m)^(?:# )?([A-Z][A-Z_]+)=", text))


def test_dagster_is_configured_as_on_one_machine_but_for_its_storage() -> None:
    deployed = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
    alone = yaml.safe_load((PROJECT / "rag_pipeline/defs/instance.yaml").read_text(encoding="utf-8"))
    storage = deployed.pop("storage")["postgres"]["postgres_db"]
    assert deployed == alone
    assert storage["scheme"] == "postgresql+psycopg2"
    asked = {value["env"] for value in storage.values() if isinstance(value, dict)}
    assert asked <= set(compose()["services"]["code"]["environment"])
    assert asked <= variables((DEPLOY / "systemd/rag.env").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SERVICES)
def test_containers_and_systemd_start_the_same(name: str) -> None:
    program, *words = command_of(UNITS[name])
    contained = [str(word).replace("0.0.0.0", "127.0.0.1") for word in compose()["services"][name]["command"]]
    assert [Path(program).name, *words] == contained


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for name, unit in UNITS.items():
        text = unit.read_text(encoding="utf-8").replace(
            "ExecStart=/opt/rag/bin/", f"ExecStart={Path(sys.executable).parent}/"
        )
        (tmp_path / f"rag-{name}.service").write_text(text, encoding="utf-8")
    units = map(str, sorted(tmp_path.glob("*.service")))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "rag-" in line]
    assert (done.returncode, ours) == (0, [])


def test_every_variable_is_one_that_the_pipeline_or_these_files_read() -> None:
    known = {f"RAG_{name.upper()}" for name in Settings.model_fields} | set(SECRETS)
    files = [DEPLOY / "env.example", DEPLOY / "systemd/rag.env"]
    said = set.union(*(variables(file.read_text(encoding="utf-8")) for file in files))
    assert said
    assert not {name for name in said if name.startswith("RAG_")} - known


def test_no_secret_is_in_the_image_or_in_a_file() -> None:
    for file in (path for path in DEPLOY.rglob("*") if path.is_file()):
        secrets = r"(?m)^[ \t]*(\w*(?:PASSWORD|KEY|SALT|TOKEN)\w*)[=:][ \t]*(.*)$"
        for name, value in re.findall(secrets, file.read_text(encoding="utf-8")):
            assert not value or value.startswith("${"), f"{file.name} holds {name}"
    seen = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in seen and not [line for line in seen if line.startswith("!") and ".env" in line]
    assert re.search(r"(?m)^/deploy/\.env$", (PROJECT / ".gitignore").read_text(encoding="utf-8"))


def test_no_container_of_ours_is_root_and_each_says_whether_it_is_well() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^USER (.+)$", dockerfile)[-1].split(":")[0] not in ("root", "0")
    for service in compose()["services"].values():
        assert service["healthcheck"]["test"][0] == "CMD"
    for copied in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", dockerfile):
        for path in copied.split():
            assert (PROJECT / path).exists()
            assert f"!{path}" in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")


def test_torch_is_installed_before_what_needs_it_and_from_the_index_of_cpu_builds() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    alone, ours = re.findall(r"pip install ((?:.|\\\n)+?)\n(?=[A-Z\n])", dockerfile)
    assert alone.split()[-1] == "torch" and '--index-url "${TORCH_INDEX}"' in alone
    assert '".[${EXTRAS}]"' in ours
    said = re.findall(r"EXTRAS=([\w,-]+)", dockerfile)
    assert len(said) == 2, "those of one machine, and those of a cluster, in a comment"
    offered = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert not [one for extras in said for one in extras.split(",") if not re.search(rf"(?m)^{one} = ", offered)]
