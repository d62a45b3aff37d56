"""Manifests of AWS exports: which one holds, and what may stand in it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.aws_export_manifest import (
    StoredObject,
    newest_manifests,
    parse_manifest,
)
from oco_warehouse.errors import InvalidInputError

THEN = datetime(2026, 9, 2, tzinfo=UTC)


def stored(key: str, hours: int = 0) -> StoredObject:
    return StoredObject(key, f"etag of {key}", THEN + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("key", "period"),
    [
        ("bills/cur/metadata/BILLING_PERIOD=2026-09/cur-Manifest.json", "2026-09"),
        ("bills/cur/metadata/BILLING_PERIOD=2026-09/2026-09-02T01-id/cur-Manifest.json", "2026-09"),
        ("bills/cur/20260901-20261001/cur-Manifest.json", "2026-09"),
        ("bills/cur/20261201-20270101/0a1b-assembly/cur-Manifest.json", "2026-12"),
        ("bills/cur/data/BILLING_PERIOD=2026-09/cur-00001.csv.gz", None),
        ("bills/cur/metadata/BILLING_PERIOD=2026-09/other-Manifest.json", None),
        ("bills/other/metadata/BILLING_PERIOD=2026-09/cur-Manifest.json", None),
        ("bills/cur/metadata/BILLING_PERIOD=2026-09/a/b/cur-Manifest.json", None),
        ("bills/cur/20260915-20261001/cur-Manifest.json", None),
    ],
)
def test_a_manifest_is_known_by_its_place(key: str, period: str | None) -> None:
    assert list(newest_manifests([stored(key)], "bills/cur/", "cur")) == ([period] * bool(period))


@given(st.permutations(range(6)))
def test_the_manifest_written_last_holds_in_any_order(order: list[int]) -> None:
    folder = "bills/cur/metadata/BILLING_PERIOD=2026-09/"
    objects = [stored(f"{folder}{n}-id/cur-Manifest.json", hours=n) for n in range(5)]
    # A legacy report writes its manifest twice in the same moment.
    objects.append(stored(f"{folder}cur-Manifest.json", hours=4))
    found = newest_manifests([objects[n] for n in order], "bills/cur/", "cur")
    assert found == {"2026-09": objects[5]}


def test_both_kinds_of_manifest_say_their_files() -> None:
    new = {"executionId": "e1", "dataFiles": ["s3://bills/a/b.csv.gz", "a/c.parquet"]}
    old = {"assemblyId": "a1", "reportKeys": ["/a/b.csv.gz"], "account": "000000000012"}
    parsed = parse_manifest("m", json.dumps(new).encode(), "bills")
    assert (parsed.delivery, parsed.files) == ("e1", ("a/b.csv.gz", "a/c.parquet"))
    parsed = parse_manifest("m", json.dumps(old).encode(), "bills")
    assert (parsed.delivery, parsed.files) == ("a1", ("a/b.csv.gz",))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "is no manifest"),
        ({}, "is no manifest"),
        ({"executionId": "e", "dataFiles": "a.csv"}, "is no manifest"),
        ({"executionId": "e", "dataFiles": []}, "lists no file"),
        ({"executionId": "e", "dataFiles": [5]}, "lists something that is no file"),
        ({"executionId": "e", "dataFiles": ["a.csv", "s3://bills/a.csv"]}, "lists a file twice"),
        ({"executionId": "e", "dataFiles": ["s3://mine/a.csv"]}, "a file of another bucket, mine"),
        ({"assemblyId": "a", "reportKeys": ["a.csv.zip"]}, "choose Parquet or GZIP/CSV"),
    ],
)
def test_a_manifest_that_is_none_is_one_line(document: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^m: .*{told}"):
        parse_manifest("m", json.dumps(document).encode(), "bills")


@given(st.binary(max_size=40))
def test_no_bytes_end_in_anything_but_a_manifest_or_one_line(content: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"^m: ") as refused:
        parse_manifest("m", content, "bills")
    assert "\n" not in str(refused.value)
