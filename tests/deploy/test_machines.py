"""Machines of one's own: systemd units, the Ray cluster launcher's file, the configuration they share."""

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from node.config import load_config
from node.gateway.server import load_gateway_config
from tests.deploy.command_lines import DEPLOY, parse, shell_commands

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateDevices": "yes",
    "CapabilityBoundingSet": "",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
}
BREAKWATER = "/srv/breakwater/bin/breakwater"


def unit(path: Path) -> configparser.ConfigParser:
    """A unit's sections; of a name that comes twice the last."""
    read = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(path.read_text(encoding="utf-8"))
    return read


def cluster() -> dict[str, Any]:
    """The cluster launcher's file."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "ray" / "cluster.yaml").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_hardened_and_starts_what_our_parser_takes(path: Path) -> None:
    service = unit(path)["Service"]
    assert {name: service[name] for name in HARDENED} == HARDENED
    assert service["Restart"] in ("on-failure", "always")
    assert int(service["LimitNOFILE"]) >= 65_536
    commands = [service[name] for name in ("ExecStartPre", "ExecStart") if name in service]
    for command in commands:
        (words,) = shell_commands(command)
        assert words[0] == BREAKWATER and parse(words)


def test_node_and_standby_differ_in_standing_by() -> None:
    node, standby = (unit(DEPLOY / "systemd" / f"breakwater-{name}.service") for name in ("node", "standby"))
    assert standby["Service"]["ExecStart"].replace(" --standby", "") == node["Service"]["ExecStart"]
    same = {name: value for name, value in node["Service"].items() if name != "ExecStart"}
    assert same == {name: value for name, value in standby["Service"].items() if name != "ExecStart"}
    assert node["Unit"]["Conflicts"] == "breakwater-standby.service"
    assert standby["Unit"]["Conflicts"] == "breakwater-node.service"


def test_the_drop_in_joins_the_cluster_of_the_machine() -> None:
    service = unit(DEPLOY / "ray" / "breakwater-node.service.d.conf")["Service"]
    (words,) = shell_commands(service["ExecStart"])
    assert parse(words)
    assert words[words.index("--address") + 1] == f"{cluster()['provider']['head_ip']}:6379"
    assert words[words.index("--place") + 1] == "all=breakwater"
    assert service["PrivateTmp"] == "no"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_itself_takes_the_units(tmp_path: Path) -> None:
    there = shutil.which("true")
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace(BREAKWATER, str(there))
        (tmp_path / path.name).write_text(
            text.replace("EnvironmentFile=/etc", "EnvironmentFile=-/etc"), encoding="utf-8"
        )
    units = [str(tmp_path / path.name) for path in UNITS]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_cluster_file_is_one_by_rays_own_schema() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(cluster(), schema)
    prepared = prepare_config(cluster())
    validate_config(prepared)
    (workers,) = [one for one in prepared["available_node_types"].values() if one.get("max_workers")]
    assert workers["min_workers"] == workers["max_workers"] == 2
    wrong = cluster() | {"max_worker": 3}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_the_cluster_starts_ray_as_a_node_needs_it() -> None:
    content = cluster()
    assert content["max_workers"] == len(content["provider"]["worker_ips"])
    for kind in ("head", "worker"):
        (line,) = content[f"{kind}_start_ray_commands"]
        assert "RAY_AUTH_MODE=token" in line and "RAY_AUTH_TOKEN_PATH=/etc/breakwater/ray-token" in line
        (words,) = shell_commands(line)
        assert parse(words)
    assert "--num-cpus=0" in content["head_start_ray_commands"][0]
    assert "--include-dashboard=false" in content["head_start_ray_commands"][0]
    assert '{"breakwater": 1000}' in content["worker_start_ray_commands"][0]
    for line in content["setup_commands"]:
        for words in shell_commands(line):
            assert words[0] == "chmod" or parse(words)


def test_the_configuration_is_one_of_a_node_and_of_a_gateway(tmp_path: Path) -> None:
    path = DEPLOY / "node.toml"
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    config = load_config(path, data_dir=tmp_path)
    assert (config.shards, config.limits.calls_per_s) == (settings["shards"], settings["limits"]["calls_per_s"])
    assert load_gateway_config(path, nodes=["node:7400"]).limits == config.limits


def test_paths_are_the_same_everywhere() -> None:
    places = (
        "/srv/breakwater",
        "/etc/breakwater",
        "/var/lib/breakwater",
        "/var/cache/breakwater",
        "/var/lib/apt/lists",
    )
    for path in (one for one in DEPLOY.rglob("*") if one.is_file()):
        for found in re.findall(r"(?<![\w./-])/(?:srv|etc|var)/[\w./-]+", path.read_text(encoding="utf-8")):
            assert found.startswith((*places, "/etc/systemd/system/breakwater")), (path.name, found)
