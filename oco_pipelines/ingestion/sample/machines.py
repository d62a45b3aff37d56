"""What the sample's company runs: clouds, accounts, machines and services. All of it invented."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple


class Account(NamedTuple):
    """A sub account."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """A provider, as its bill names it."""

    provider: str
    name: str
    company: str
    billing_account: str
    compute: str
    support: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A virtual machine that runs all day; `hourly` in USD."""

    provider: str
    account: str
    resource_id: str
    name: str
    size: str
    hourly: Decimal
    region: str
    region_name: str
    tags: Mapping[str, str]
    idle: bool = False

    @property
    def resource_type(self) -> str:
        """Kind, as the bill names it."""
        return {"aws": "instance", "azure": "Virtual machine", "gcp": "Instance"}[self.provider]


@dataclass(frozen=True, slots=True)
class Service:
    """Something else on the bill; costs in USD."""

    provider: str
    account: str
    category: str
    name: str
    resource_id: str
    resource_name: str
    resource_type: str
    sku: str
    description: str
    unit: str
    unit_price: Decimal
    daily_cost: Decimal
    region: str
    region_name: str
    tags: Mapping[str, str]
    follows_people: bool = True


CLOUDS: Final = {
    "aws": Cloud(
        "aws", "AWS", "Amazon Web Services, Inc.", "100000000001",
        "Amazon Elastic Compute Cloud", "AWS Support",
    ),
    "azure": Cloud(
        "azure", "Microsoft", "Microsoft Corporation", "200-example-enrollment",
        "Virtual Machines", "Azure Support",
    ),
    "gcp": Cloud(
        "gcp", "Google Cloud", "Google LLC", "0AAAAA-BBBBBB-CCCCCC",
        "Compute Engine", "Google Cloud Support",
    ),
}  # fmt: skip
ACCOUNTS: Final = {
    "aws": (
        Account("111111111111", "Platform production"),
        Account("111111111112", "Search production"),
        Account("111111111113", "Data sandbox"),
    ),
    "azure": (
        Account("00000000-0000-4000-8000-000000000001", "Platform"),
        Account("00000000-0000-4000-8000-000000000002", "Search"),
        Account("00000000-0000-4000-8000-000000000003", "Data"),
    ),
    "gcp": (
        Account("example-platform", "Platform"),
        Account("example-search", "Search"),
        Account("example-data", "Data"),
    ),
}
_REGIONS: Final = {
    "aws": ("us-east-1", "US East (N. Virginia)"),
    "azure": ("westeurope", "West Europe"),
    "gcp": ("europe-west1", "Belgium"),
}
_TEAMS: Final = ("platform", "search", "data")


def _tags(team: int, app: str, env: str = "prod") -> dict[str, str]:
    return {"team": _TEAMS[team], "env": env, "app": app}


def _machine(
    provider: str, team: int, resource_id: str, name: str, size: str, hourly: str,
    env: str = "prod", *, idle: bool = False,
) -> Machine:  # fmt: skip
    app = name.rsplit("-", 1)[0]
    account = ACCOUNTS[provider][team].id
    return Machine(
        provider, account, resource_id, name, size, Decimal(hourly), *_REGIONS[provider],
        _tags(team, app, env), idle,
    )  # fmt: skip


def _service(
    provider: str, team: int, category: str, name: str, resource: tuple[str, str], sku: str,
    price: tuple[str, str], daily: str, app: str | None, *, follows_people: bool = True,
    backup: str | None = None,
) -> Service:  # fmt: skip
    resource_id, resource_type = resource
    unit, unit_price = price
    tags = {} if app is None else _tags(team, app)
    if backup is not None:
        # As Velero tags what it makes: by this a charge is known to be of a recovery point.
        tags["velero.io/backup"] = backup
    return Service(
        provider, ACCOUNTS[provider][team].id, category, name, resource_id,
        resource_id.rsplit("/", 1)[-1].rsplit(":", 1)[-1], resource_type, sku,
        f"{name}, per {unit}", unit, Decimal(unit_price), Decimal(daily), *_REGIONS[provider],
        tags, follows_people,
    )  # fmt: skip


_AZURE_VM: Final = "/subscriptions/{}/resourceGroups/main/providers/Microsoft.Compute/{}/{}"
_GCP_VM: Final = "//compute.googleapis.com/projects/{}/zones/europe-west1-b/instances/{}"


def _azure(team: int, name: str, kind: str = "virtualMachines") -> str:
    return _AZURE_VM.format(ACCOUNTS["azure"][team].id, kind, name)


def _gcp(team: int, name: str) -> str:
    return _GCP_VM.format(ACCOUNTS["gcp"][team].id, name)


MACHINES: Final = (
    _machine("aws", 0, "i-0api0000000000001", "api-1", "m6i.2xlarge", "0.384"),
    _machine("aws", 0, "i-0api0000000000002", "api-2", "m6i.2xlarge", "0.384"),
    _machine("aws", 1, "i-0search0000000001", "search-1", "r6i.4xlarge", "1.008"),
    # Paid for every day of both months, and idle: the optimizer has to find it.
    _machine("aws", 2, "i-0idle000000000001", "trial-1", "m6i.4xlarge", "0.768", "dev", idle=True),
    _machine("azure", 0, _azure(0, "gateway-1"), "gateway-1", "Standard_D8s_v5", "0.460"),
    _machine("azure", 1, _azure(1, "indexer-1"), "indexer-1", "Standard_E8s_v5", "0.608"),
    _machine("gcp", 2, _gcp(2, "etl-1"), "etl-1", "n2-standard-16", "0.8544"),
    _machine("gcp", 1, _gcp(1, "ranker-1"), "ranker-1", "n2-highmem-8", "0.5763"),
)
_GB_MONTH: Final = "GB-Months"
SERVICES: Final = (
    _service("aws", 0, "Storage", "Amazon Simple Storage Service",
        ("arn:aws:s3:::example-assets", "bucket"), "s3-standard", (_GB_MONTH, "0.023"), "31.50",
        "assets", follows_people=False),
    _service("aws", 1, "Databases", "Amazon Relational Database Service",
        ("arn:aws:rds:us-east-1:111111111112:db:search", "db"), "rds-r6g", ("Hours", "0.519"),
        "74.74", "search", follows_people=False),
    _service("aws", 0, "Networking", "Amazon Virtual Private Cloud",
        ("arn:aws:ec2:us-east-1:111111111111:natgateway/nat-0main", "natgateway"), "nat-bytes",
        ("GB", "0.045"), "22.10", "network"),
    _service("aws", 2, "AI and Machine Learning", "Amazon SageMaker",
        ("arn:aws:sagemaker:us-east-1:111111111113:endpoint/churn", "endpoint"), "ml-g5",
        ("Hours", "1.41"), "118.30", "churn"),
    # Nobody's: it carries no tag, and the tagging policy has to find it.
    _service("aws", 2, "Storage", "Amazon Elastic Block Store",
        ("vol-0untagged00000001", "volume"), "ebs-gp3", (_GB_MONTH, "0.08"), "6.40", None,
        follows_people=False),
    _service("aws", 0, "Compute", "Amazon Elastic Kubernetes Service",
        ("arn:aws:eks:us-east-1:111111111111:cluster/main", "cluster"), "eks-cluster",
        ("Hours", "0.10"), "2.40", "kubernetes", follows_people=False),
    _service("aws", 0, "Storage", "Amazon Elastic Block Store",
        ("arn:aws:ec2:us-east-1:111111111111:snapshot/snap-0pvc-orders", "snapshot"),
        "ebs-snapshot", (_GB_MONTH, "0.05"), "3.75", "kubernetes", follows_people=False,
        backup="shop-daily"),
    _service("azure", 2, "Analytics", "Azure Synapse Analytics",
        (_azure(2, "warehouse", "workspaces"), "Workspace"), "synapse-dwu", ("Hours", "1.51"),
        "96.40", "reports"),
    _service("azure", 1, "Databases", "Azure SQL Database",
        (_azure(1, "catalogue", "databases"), "SQL database"), "sql-vcore", ("Hours", "0.2525"),
        "48.48", "catalogue", follows_people=False),
    _service("azure", 0, "Compute", "Azure Kubernetes Service",
        (_azure(0, "aks-main", "managedClusters"), "Cluster"), "aks-uptime", ("Hours", "0.10"),
        "2.40", "kubernetes", follows_people=False),
    _service("azure", 0, "Storage", "Storage Accounts",
        (_azure(0, "velerobackups", "storageAccounts"), "Storage account"), "blob-cool",
        (_GB_MONTH, "0.01"), "4.10", "kubernetes", follows_people=False,
        backup="shop-daily"),
    _service("gcp", 2, "Analytics", "BigQuery",
        ("//bigquery.googleapis.com/projects/example-data/datasets/events", "Dataset"),
        "bq-analysis", ("TB", "6.25"), "132.00", "events"),
    _service("gcp", 0, "Compute", "Kubernetes Engine",
        ("//container.googleapis.com/projects/example-platform/clusters/main", "Cluster"),
        "gke-cluster", ("Hours", "0.10"), "2.40", "kubernetes", follows_people=False),
    _service("gcp", 0, "Storage", "Cloud Storage",
        ("//storage.googleapis.com/example-velero-backups", "Bucket"), "gcs-nearline",
        (_GB_MONTH, "0.01"), "3.20", "kubernetes", follows_people=False,
        backup="shop-daily"),
)  # fmt: skip
