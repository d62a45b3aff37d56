"""One planted cloud a module: made, listed and billed once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
import requests

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_collect import AwsCollected, collect
from oco_pipelines.inventory.pace import Pace
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.aws_inventory import parse_inventory
from oco_warehouse.cloud_accounts.reading import parse_accounts
from oco_warehouse.database import Warehouse
from tests.databases import Databases
from tests.oco_pipelines.inventory.cloudwatch import indexed_cloudwatch
from tests.oco_pipelines.inventory.conftest import KEYS, SECRETS
from tests.oco_pipelines.inventory.planted.bill import load_bill
from tests.oco_pipelines.inventory.planted.cloud import ACCOUNT, REGION, PlantedCloud, Planter
from tests.oco_pipelines.inventory.planted.plan import plan

SEED = 20261120


@dataclass
class World:
    """A cloud that is listed in a warehouse, with its bill."""

    url: str
    made: PlantedCloud
    now: datetime
    done: AwsCollected
    lines: int
    collect: Callable[[datetime], AwsCollected]


def account_of(endpoint: str, folder: Path) -> Account:
    options = {"account_id": ACCOUNT, "region": REGION, "endpoint_url": endpoint}
    entry = {
        "name": "main", "provider": "aws", "kind": "inventory", "options": options,
        "credentials": KEYS,
    }  # fmt: skip
    (found,) = parse_accounts({"accounts": [entry]}, folder)
    return found


@pytest.fixture(scope="module")
def world(
    moto_server: str, databases: Databases, template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:  # fmt: skip
    requests.post(f"{moto_server}/moto-api/reset", timeout=30).raise_for_status()
    folder = tmp_path_factory.mktemp("planted")
    # Metrics end with a whole hour; the newest of them says when a run is.
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    clients: dict[str, object] = {}

    def client(service: str) -> object:
        if service not in clients:
            clients[service] = boto3.client(
                service, endpoint_url=moto_server, region_name=REGION,
                aws_access_key_id="owner", aws_secret_access_key="owner",
            )  # fmt: skip
        return clients[service]

    account = account_of(moto_server, folder)
    with databases.fresh("planted", template_database) as url, indexed_cloudwatch() as cloudwatch:
        warehouse = Warehouse(url)
        planter = Planter(client, cloudwatch, now)
        for one in plan(SEED):
            planter.plant(one)

        def listed(moment: datetime) -> AwsCollected:
            access = parse_inventory(account).access
            aws = Aws(account, access, environment=SECRETS, pace=Pace(1e9))
            return collect(warehouse, account, aws=aws, now=moment)

        done = listed(now)
        lines = load_bill(warehouse, planter.made, now, folder)
        yield World(url, planter.made, now, done, lines, listed)
    assert urlsplit(url).path


@pytest.fixture
def warehouse(world: World) -> Warehouse:
    """The warehouse of the planted cloud."""
    return Warehouse(world.url)
