"""Charges that tests are made of."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Charge = dict[str, str | None]
_DEFAULTS: Charge = {
    "BilledCost": "1.5",
    "EffectiveCost": "1.25",
    "ListCost": "2",
    "ContractedCost": "1.5",
    "BillingAccountId": "123456789012",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-09-01T00:00:00Z",
    "BillingPeriodEnd": "2026-10-01T00:00:00Z",
    "ChargePeriodStart": "2026-09-10T00:00:00Z",
    "ChargePeriodEnd": "2026-09-11T00:00:00Z",
    "ChargeCategory": "Usage",
    "ServiceCategory": "Compute",
    "ServiceName": "Amazon Elastic Compute Cloud",
    "InvoiceIssuerName": "Amazon Web Services, Inc.",
    "ProviderName": "AWS",
    "SubAccountId": "210987654321",
    "ResourceId": "i-1",
    "Tags": '{"team": "search"}',
}


def charge(**changes: str | None) -> Charge:
    """One charge as a file has it; None leaves a field empty."""
    return {**_DEFAULTS, **changes}


def as_csv(*charges: Charge) -> bytes:
    """A CSV file of charges."""
    names = list(dict.fromkeys(name for row in charges for name in row))
    data: dict[str, Any] = {name: [row.get(name) for row in charges] for name in names}
    return pl.DataFrame(data, schema=dict.fromkeys(names, pl.String)).write_csv().encode()


@pytest.fixture
def make_charge() -> Callable[..., Charge]:
    """`charge`, for tests."""
    return charge


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes a new file with the given content."""
    numbers = itertools.count()

    def make(content: bytes) -> Path:
        path = tmp_path / f"file-{next(numbers)}"
        path.write_bytes(content)
        return path

    return make


@pytest.fixture
def make_csv(make_file: Callable[[bytes], Path]) -> Callable[..., Path]:
    """A file with `as_csv` of charges."""
    return lambda *charges: make_file(as_csv(*charges))
