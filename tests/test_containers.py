"""What a container engine would only find out when it runs."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))


def test_every_service_waits_only_for_what_there_is() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        for other, terms in service.get("depends_on", {}).items():
            assert other in services, name
            if terms["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"], f"{other} is never healthy"


def test_every_image_of_ours_is_built_by_a_dockerfile_that_exists() -> None:
    built = {
        service["image"]: ROOT / service["build"]["dockerfile"]
        for service in COMPOSE["services"].values()
        if "build" in service
    }
    used = {service["image"] for service in COMPOSE["services"].values()}
    assert {image for image in used if image.startswith("open-cloud-ops/")} == set(built)
    assert all(path.is_file() for path in built.values())


def test_no_port_is_open_to_the_network_by_default() -> None:
    for service in COMPOSE["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_copies_only_what_there_is(dockerfile: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text()
    sources = re.findall(r"^COPY (?:--\S+ )*(\S+) ", dockerfile.read_text(), re.MULTILINE)
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source.split('/')[0]}" in ignored, f"{source} is not sent to the engine"


def test_the_gateways_image_carries_no_pipelines_and_the_other_way_round() -> None:
    gateway = (ROOT / "deploy" / "gateway.Dockerfile").read_text()
    dagster = (ROOT / "deploy" / "dagster.Dockerfile").read_text()
    assert "COPY oco_pipelines" not in gateway
    assert "oco_proxy" not in dagster
    assert not re.search(
        r"^dagster", (ROOT / "requirements" / "proxy.lock").read_text(), re.MULTILINE
    )
    assert not re.search(
        r"^litestar", (ROOT / "requirements" / "pipelines.lock").read_text(), re.MULTILINE
    )
