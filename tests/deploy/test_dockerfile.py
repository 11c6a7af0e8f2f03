"""The image's recipe, by hadolint and by rules of our own: no container engine is needed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.deploy.command_lines import DEPLOY, ROOT, parse

DOCKERFILE = DEPLOY / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Instruction and argument, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in text.splitlines() if line.strip()]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    said = subprocess.run([str(hadolint), str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stdout) == (0, "")


def test_what_is_installed_is_locked_by_hashes() -> None:
    runs = " && ".join(argument for name, argument in instructions() if name == "RUN")
    installed = [part.strip() for part in runs.split("&&") if re.search(r"\bpip (install|wheel)\b", part)]
    assert len(installed) == 4
    for part in installed:
        assert "--require-hashes" in part or ("--no-deps" in part and re.search(r"--no-(index|build-isolation)", part))
    for name in re.findall(r"requirements/[\w.]+", runs):
        assert "--hash=sha256:" in (ROOT / name).read_text(encoding="utf-8")


def test_nobody_is_root_and_nothing_is_left_of_the_tools() -> None:
    found = instructions()
    users = [argument for name, argument in found if name == "USER"]
    assert users == ["10001:10001"]
    stages = [place for place, (name, _) in enumerate(found) if name == "FROM"]
    assert len(stages) == 2
    last = found[stages[-1] :]
    assert [argument for name, argument in last if name == "COPY" and "--from" in argument] == [
        "--from=build /srv/breakwater /srv/breakwater"
    ]
    assert not [argument for name, argument in found if name == "ADD"]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in Path(f"{DOCKERFILE}.dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        word
        for name, argument in instructions()
        if name == "COPY" and "--from" not in argument
        for word in shlex.split(argument)[:-1]
        if not word.startswith("--")
    ]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == one or one.startswith(f"{source}/") for one in kept), source


def test_it_runs_what_our_parser_takes() -> None:
    found = instructions()
    (command,) = [argument for name, argument in found if name == "CMD"]
    assert parse(json.loads(command))
    (health,) = [argument for name, argument in found if name == "HEALTHCHECK"]
    assert parse(json.loads(health.partition("CMD ")[2]))
    exposed = next(argument for name, argument in found if name == "EXPOSE").split()
    assert {"7400", "7401", "7500", "7501"} == set(exposed)
    assert "7400" in json.loads(command) and "7401" in json.loads(command)
