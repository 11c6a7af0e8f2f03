"""Kubernetes objects: fields by our own list, commands by our own parser, and that they fit each other."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.command_lines import DEPLOY, parse, shell_commands
from tests.deploy.fields import complaints

FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
IMAGE = "breakwater:0.1.0"


def documents(path: Path) -> list[dict[str, Any]]:
    """The objects of a file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


OBJECTS = {f"{one['kind']}/{one['metadata']['name']}": one for path in FILES for one in documents(path)}


def templates(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Pod templates of an object."""
    spec = document["spec"]
    groups = [spec, spec.get("headGroupSpec", {}), *spec.get("workerGroupSpecs", [])]
    return [group["template"] for group in groups if "template" in group]


PODS = [(name, template["spec"]) for name, one in OBJECTS.items() for template in templates(one)]
CONTAINERS = [
    (f"{name}: {one['name']}", pod, one)
    for name, pod in PODS
    for one in (*pod.get("initContainers", []), *pod["containers"])
]


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_fields_are_those_we_know(name: str) -> None:
    assert complaints(OBJECTS[name]) == []


def test_a_slip_is_seen() -> None:
    document = json.loads(json.dumps(OBJECTS["Service/breakwater"]))
    document["spec"]["prots"] = document["spec"].pop("ports")
    document["spec"]["selector"] = {"app": 3}
    assert sorted(complaints(document)) == [
        "Service.spec.ports is missing",
        "Service.spec.prots is no field we know",
        "Service.spec.selector.app is 3, not str",
    ]


def test_what_is_there() -> None:
    assert {name.partition("/")[0] for name in OBJECTS} == {
        "DaemonSet",
        "Job",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "RayCluster",
        "Service",
    }
    assert len(OBJECTS) == sum(len(documents(path)) for path in FILES)


@pytest.mark.parametrize(("name", "pod", "container"), CONTAINERS, ids=[name for name, *_ in CONTAINERS])
def test_a_container_is_locked_and_runs_what_our_parser_takes(
    name: str, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    assert container["image"] == IMAGE
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
    assert mounts <= {volume["name"] for volume in pod.get("volumes", [])}
    words = [*container.get("command", []), *container.get("args", [])]
    if words[:1] == ["tini"]:
        assert words[:4] == ["tini", "--", "sh", "-c"]
        parsed = [parse(one) for one in shell_commands(words[4])]
        assert parsed == [True, True]
        assert "--place all=breakwater" in words[4]
    elif words:
        assert parse(words)
    else:  # KubeRay says what runs
        assert name.startswith("RayCluster/")


def test_a_probe_asks_a_port_that_is_there() -> None:
    listened = {"node": "--port 7400", "gateway": "--listen 0.0.0.0:7500", "ray-head": "6379"}
    for name, _, container in CONTAINERS:
        said = " ".join([*container.get("command", []), *container.get("args", [])])
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind, {})
            port = (probe.get("grpc") or probe.get("tcpSocket") or {}).get("port")
            if port is None or name.startswith("RayCluster/"):
                continue
            assert listened[container["name"]] in said and str(port) in listened[container["name"]], (name, kind)
            assert port in [one["containerPort"] for one in container["ports"]]


def test_ray_keeps_its_actors_off_the_head_and_its_workers_in_number() -> None:
    spec = OBJECTS["RayCluster/breakwater"]["spec"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["headGroupSpec"]["rayStartParams"]["include-dashboard"] == "false"
    assert spec["enableInTreeAutoscaling"] is False
    for group in spec["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == group["maxReplicas"]
        assert json.loads(json.loads(group["rayStartParams"]["resources"])) == {"breakwater": 1000}
    for parameters in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        options = [f"--{name}={value.strip(chr(34))}" for name, value in parameters["rayStartParams"].items()]
        assert parse(["ray", "start", *(one for one in options if not one.startswith("--resources"))])


def test_everybody_has_the_token_and_it_stands_nowhere() -> None:
    for name, pod in PODS:
        for container in pod["containers"]:
            environment = {one["name"]: one for one in container.get("env", [])}
            if container["name"] == "gateway":
                continue
            assert environment["RAY_AUTH_MODE"]["value"] == "token", name
            assert environment["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]["key"] == "ray-token"
            for secret in ("RAY_AUTH_TOKEN", "BREAKWATER_JOURNAL", "BREAKWATER_HOUSE_BOT_KEY"):
                assert "value" not in environment.get(secret, {})


def test_services_lead_to_pods() -> None:
    labels = [template["metadata"]["labels"] for one in OBJECTS.values() for template in templates(one)]
    for name, one in OBJECTS.items():
        if one["kind"] == "Service":
            assert any(one["spec"]["selector"].items() <= each.items() for each in labels), name


def test_every_machine_has_a_gateway_that_knows_node_and_standby() -> None:
    (_, pod), *others = [(name, pod) for name, pod in PODS if name == "DaemonSet/breakwater-gateway"]
    assert not others
    (gateway,) = pod["containers"]
    nodes = next(one["value"] for one in gateway["env"] if one["name"] == "BREAKWATER_NODES").split()
    services = {
        f"{one['metadata']['name']}:{one['spec']['ports'][0]['port']}"
        for one in OBJECTS.values()
        if one["kind"] == "Service"
    }
    assert nodes == ["breakwater-node:7400", "breakwater-standby:7400"]
    assert set(nodes) <= services
    for name in ("Service/breakwater-node", "Service/breakwater-standby"):
        assert OBJECTS[name]["spec"]["publishNotReadyAddresses"] is True


def test_the_standby_differs_from_the_node_in_its_name_and_in_standing_by() -> None:
    def said(name: str) -> str:
        return json.dumps(documents(DEPLOY / "kubernetes" / name), sort_keys=True)

    as_node = said("standby.yaml").replace("breakwater up --standby", "breakwater up")
    as_node = as_node.replace("breakwater-standby", "breakwater-node").replace(
        '"breakwater": "standby"', '"breakwater": "primary"'
    )
    assert as_node == said("node.yaml")
