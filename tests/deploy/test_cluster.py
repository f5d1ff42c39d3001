"""What `deploy/cluster` says is understood by Dagster, Kubernetes and Ray, and says the same in each of its files.

Nothing here reaches a cluster. Dagster's part is held against Dagster's own schemas, pods against the models of Kubernetes'
own client, the Ray cluster against what Ray's autoscaler makes of one. The chart's schema is not here: its names are in
a list, and all that it hands to Dagster or to Kubernetes is held against those.
"""

import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from rag_pipeline.host.names import HOME
from rag_pipeline.settings import PROJECT, Settings
from rag_pipeline.variables import SECRETS
from tests.support.deployed import DEPLOY
from tests.support.kubernetes_schema import wrong

CLUSTER = DEPLOY / "cluster"


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CLUSTER / name).read_text(encoding="utf-8"))
    return content


def snake(value: Any) -> Any:
    """Names as Dagster's configuration has them: the chart writes them in camel case."""
    if isinstance(value, dict):
        return {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower(): snake(each) for name, each in value.items()}
    return [snake(each) for each in value] if isinstance(value, list) else value


DAGSTER, HELM, RAY, TOLD = (read(f"{name}.yaml") for name in ("dagster", "helm-values", "raycluster", "settings"))


def test_dagster_takes_its_configuration() -> None:
    from dagster._config import validate_config
    from dagster._core.instance.config import dagster_instance_config_schema

    fields = dagster_instance_config_schema()
    plain = {name: value for name, value in DAGSTER.items() if name in fields}
    assert plain.keys() == DAGSTER.keys(), "a section that Dagster does not know"
    from dagster._config import Shape

    done = validate_config(Shape(fields), plain)
    assert done.success, done.errors


@pytest.mark.parametrize("section", ["run_launcher", "compute_logs"])
def test_the_launcher_and_the_logs_take_theirs(section: str) -> None:
    pytest.importorskip("dagster_k8s", reason="`pip install 'rag-pipeline[cluster]'`")
    pytest.importorskip("dagster_aws", reason="`pip install 'rag-pipeline[cluster]'`")
    import importlib

    from dagster._config import Shape, validate_config

    said = DAGSTER[section]
    owner = getattr(importlib.import_module(said["module"]), said["class"])
    done = validate_config(Shape(owner.config_type()), said["config"])
    assert done.success, done.errors
    spoiled = validate_config(Shape(owner.config_type()), said["config"] | {"no_such_field": 1})
    assert not spoiled.success


def test_it_is_the_configuration_of_one_machine_but_for_what_several_need() -> None:
    alone = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
    for section in ("storage", "telemetry", "python_logs", "freshness", "nux"):
        assert DAGSTER[section] == alone[section]
    assert DAGSTER["concurrency"]["runs"]["tag_concurrency_limits"] == [
        {"key": HOME, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    ], "one writer a home"


def test_the_chart_is_told_the_same() -> None:
    daemon = HELM["dagsterDaemon"]
    assert snake(daemon["runMonitoring"]) == DAGSTER["run_monitoring"]
    assert snake(daemon["runRetries"]) == DAGSTER["run_retries"]
    runs, queue = DAGSTER["concurrency"]["runs"], daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queue["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]
    launcher, config = HELM["runLauncher"], DAGSTER["run_launcher"]["config"]
    assert launcher["type"] == DAGSTER["run_launcher"]["class"]
    said = launcher["config"]["k8sRunLauncher"]
    assert said["resources"] == config["resources"]
    assert [one["name"] for one in said["envConfigMaps"]] == config["env_config_maps"]
    assert [one["name"] for one in said["envSecrets"]] == config["env_secrets"]
    logs = HELM["computeLogManager"]
    assert logs["type"] == DAGSTER["compute_logs"]["class"]
    assert snake(logs["config"]["s3ComputeLogManager"]) == DAGSTER["compute_logs"]["config"]
    assert HELM["postgresql"]["postgresqlScheme"] == DAGSTER["storage"]["postgres"]["postgres_db"]["scheme"]
    assert snake(HELM["pythonLogs"]) == DAGSTER["python_logs"]


CHART = {
    "global", "telemetry", "postgresql", "generatePostgresqlPasswordSecret", "dagster-user-deployments", "runLauncher",
    "computeLogManager", "dagsterWebserver", "dagsterDaemon", "pythonLogs",
}  # fmt: skip
"""The sections of the chart that we say something in."""

POD_PARTS = {
    "podSecurityContext": "V1PodSecurityContext",
    "securityContext": "V1SecurityContext",
    "resources": "V1ResourceRequirements",
    "volumes": "list[V1Volume]",
    "volumeMounts": "list[V1VolumeMount]",
    "envConfigMaps": "list[V1ConfigMapEnvSource]",
    "envSecrets": "list[V1SecretEnvSource]",
}


def test_what_the_chart_hands_to_kubernetes_is_what_kubernetes_takes() -> None:
    assert HELM.keys() == CHART
    (code,) = HELM["dagster-user-deployments"]["deployments"]
    places = [code, HELM["dagsterWebserver"], HELM["dagsterDaemon"], HELM["runLauncher"]["config"]["k8sRunLauncher"]]
    for place in places:
        assert place.keys() & POD_PARTS.keys()
        for name, kind in POD_PARTS.items():
            assert wrong(place.get(name), kind, name) == []


def test_the_versions_are_those_that_are_pinned() -> None:
    text = (CLUSTER / "helm-values.yaml").read_text(encoding="utf-8")
    assert f"--version {version('dagster')} " in text
    pins = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    assert f"\nray=={RAY['spec']['rayVersion']}\n" in pins
    images = set(re.findall(r"registry\.example\.com/rag-pipeline:(\S+)", (CLUSTER / "raycluster.yaml").read_text()))
    (code,) = HELM["dagster-user-deployments"]["deployments"]
    assert images == {code["image"]["tag"]} == {version("rag-pipeline")}, "one image for all"


def groups() -> list[dict[str, Any]]:
    return [RAY["spec"]["headGroupSpec"], *RAY["spec"]["workerGroupSpecs"]]


def test_the_pods_of_the_ray_cluster_are_what_kubernetes_takes() -> None:
    for group in groups():
        assert wrong(group["template"], "V1PodTemplateSpec", "template") == []
    spoiled = groups()[0]["template"]["spec"] | {"container": []}
    assert wrong(spoiled, "V1PodSpec") == [".container is no field of V1PodSpec"], "a mistake is found"
    assert wrong(TOLD["metadata"], "V1ObjectMeta") == []
    assert wrong(TOLD, "V1ConfigMap") == []


def test_the_autoscaler_of_ray_understands_the_cluster() -> None:
    pytest.importorskip("ray", reason="`pip install 'rag-pipeline[ray]'`")
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
    from ray.autoscaler._private.util import validate_config

    made = _derive_autoscaling_config_from_ray_cr(RAY)
    validate_config(made)
    head, workers = made["available_node_types"]["headgroup"], made["available_node_types"]["embed"]
    assert head["resources"]["CPU"] == 0, "no work on the head"
    assert (workers["min_workers"], workers["max_workers"]) == (0, 8)
    told = settings()
    assert workers["resources"]["CPU"] - 1 == told.embed_worker_cpus, "a CPU of each node stays free"
    assert told.embed_workers == f"1:{workers['max_workers']}"


def settings() -> Settings:
    said = {name.removeprefix("RAG_").lower(): value for name, value in TOLD["data"].items() if name.startswith("RAG_")}
    with pytest.MonkeyPatch.context() as pod:
        pod.setenv("RAG_LOCKS", "postgresql://rag@postgres.example.com/rag")  # of the secret
        return Settings.model_validate(said)


def test_the_settings_are_settings_and_hold_no_secret() -> None:
    assert settings().embed_engine == "ray"
    assert settings().ray_address == f"{RAY['metadata']['name']}-head-svc:6379", "as KubeRay names the head's service"
    assert not TOLD["data"].keys() & {*SECRETS, "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN"}
    for variable in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE"):
        assert variable in TOLD["data"]


def test_what_dagster_reads_from_the_environment_is_told() -> None:
    text = (CLUSTER / "dagster.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\{env: (\w+)\}", text))
    assert asked - TOLD["data"].keys() == {"DAGSTER_POSTGRES_PASSWORD"}, "in the secret"
    assert HELM["postgresql"]["postgresqlHost"] == TOLD["data"]["DAGSTER_POSTGRES_HOST"]


def test_pods_share_the_bucket_and_nothing_else() -> None:
    told = settings()
    assert told.home.uri == TOLD["data"]["RAG_HOME"]
    assert "RAG_LOCKS" in SECRETS and "RAG_LOCKS" in (CLUSTER / "settings.yaml").read_text(encoding="utf-8")
    (code,) = HELM["dagster-user-deployments"]["deployments"]
    launched = DAGSTER["run_launcher"]["config"]["run_k8s_config"]
    assert snake(code["volumes"]) == launched["pod_spec_config"]["volumes"]
    assert snake(code["volumeMounts"]) == launched["container_config"]["volume_mounts"]
    assert {"name": "data", "mountPath": "/data"} in code["volumeMounts"] and told.cache.is_relative_to("/data")
    assert [one["name"] for one in code["volumes"]] == ["data", "project"]
    for group in groups():
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert "volumes" not in pod and "volumeMounts" not in container
        assert {"configMapRef": {"name": "rag-settings"}} in container["envFrom"], "address, region"
        assert {"secretRef": {"name": "rag-secrets"}} in container["envFrom"], "credentials"
