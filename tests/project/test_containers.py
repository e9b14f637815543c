"""The container files, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dockerfile() -> list[str]:
    """The Dockerfile's instructions, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_what_the_image_copies_is_there_and_not_ignored(dockerfile: list[str]) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sources = [
        word for line in dockerfile if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert {"pyproject.toml", "wire", "hooks", "channel", "cli", "hub", "web"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_the_image_has_every_package_of_the_distribution(dockerfile: list[str]) -> None:
    found = re.search(r'^packages = \[("wire".*)\]', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    for package in re.findall(r'"(\w+)"', found.group(1)):
        assert f"COPY {package} {package}" in dockerfile


def test_the_hub_does_not_run_as_root_and_keeps_its_state_on_the_volume(dockerfile: list[str]) -> None:
    last_stage = dockerfile[max(i for i, line in enumerate(dockerfile) if line.startswith("FROM ")) :]
    assert "USER heliograph" in last_stage
    assert "VOLUME /data" in last_stage
    assert any("HELIOGRAPH_HOME=/data" in line for line in last_stage if line.startswith("ENV "))
    assert any("/healthz" in line for line in last_stage if line.startswith("HEALTHCHECK "))


def test_the_image_runs_the_program_as_people_do(dockerfile: list[str]) -> None:
    assert 'ENTRYPOINT ["heliograph"]' in dockerfile
    assert 'CMD ["hub", "--host", "0.0.0.0"]' in dockerfile


def test_compose_runs_the_hub_on_a_volume_and_on_loopback(compose: Any) -> None:
    hub = compose["services"]["hub"]
    assert hub["volumes"] == ["data:/data"]
    assert "data" in compose["volumes"]
    assert all(port.startswith("127.0.0.1:") for port in hub["ports"])
    assert "profiles" not in hub
    assert any("HELIOGRAPH_PUBLIC_URL" in word for word in hub["command"])


def test_compose_puts_caddy_in_front_only_when_asked(compose: Any) -> None:
    caddy = compose["services"]["caddy"]
    assert caddy["profiles"] == ["tls"]
    source = caddy["volumes"][0].split(":")[0]
    caddyfile = (ROOT / source).read_text()
    assert "{$HELIOGRAPH_PUBLIC_URL} {" in caddyfile
    assert "reverse_proxy hub:7878" in caddyfile
    assert "HELIOGRAPH_PUBLIC_URL" in caddy["environment"]


def test_compose_itself_accepts_the_file() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not on this machine")
    words = ["docker", "compose", "--profile", "tls", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
