"""An S3 bucket to which AWS delivers an export, as AWS would write it; served by moto."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3

_numbers = itertools.count()


@dataclass
class Bucket:
    """A bucket of its own at a server."""

    endpoint: str
    name: str = field(default_factory=lambda: f"bills-{next(_numbers)}")

    def __post_init__(self) -> None:
        self.client: Any = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        self.client.create_bucket(Bucket=self.name)

    def put(self, key: str, content: bytes) -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)
        return key

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def deliver(
        self, period: str, files: Sequence[bytes], *, ending: str = "csv", export: str = "cur"
    ) -> list[str]:
        """A delivery of a Data Export that overwrites the one before; returns the files' keys."""
        folder = f"bills/{export}/data/BILLING_PERIOD={period}"
        keys = [
            self.put(f"{folder}/{export}-{number:05}.{ending}", content)
            for number, content in enumerate(files, start=1)
        ]
        self.manifest(period, keys, export=export)
        return keys

    def manifest(
        self, period: str, keys: Sequence[str], *, export: str = "cur", within: str = ""
    ) -> str:
        delivery = f"delivery-{next(_numbers)}"
        document = {
            "executionId": delivery,
            "columns": [{"name": "line_item_unblended_cost", "type": "double"}],
            "dataFiles": [f"s3://{self.name}/{key}" for key in keys],
        }
        self.put(
            f"bills/{export}/metadata/BILLING_PERIOD={period}/{within}{export}-Manifest.json",
            json.dumps(document).encode(),
        )
        return delivery

    def deliver_legacy(self, period: str, files: Sequence[bytes], ending: str = "csv.gz") -> str:
        """A delivery of a legacy report that keeps the ones before."""
        assembly = f"assembly-{next(_numbers)}"
        year, month = map(int, period.split("-"))
        after = f"{year + month // 12}{month % 12 + 1:02}01"
        folder = f"bills/cur/{period.replace('-', '')}01-{after}"
        keys = [
            self.put(f"{folder}/{assembly}/cur-{number}.{ending}", content)
            for number, content in enumerate(files, start=1)
        ]
        document = json.dumps(
            {"assemblyId": assembly, "bucket": self.name, "reportKeys": keys}
        ).encode()
        self.put(f"{folder}/{assembly}/cur-Manifest.json", document)
        self.put(f"{folder}/cur-Manifest.json", document)
        return assembly

    def options(self, **more: Any) -> dict[str, Any]:
        """The options of an account that reads the export."""
        return {
            "account_id": "000000000012",
            "bucket": self.name,
            "prefix": "bills",
            "export": "cur",
            "endpoint_url": self.endpoint,
        } | more
