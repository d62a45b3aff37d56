"""Exchange rates: stated wins over fetched, nothing is guessed, and bills follow a changed rate."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, materialize
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.rates.definitions import exchange_rates_asset
from oco_pipelines.rates.ecb_file import read_ecb
from oco_pipelines.rates.rate_file import Rate, read_rates
from oco_pipelines.rates.rate_store import fetch, import_file, refresh
from oco_pipelines.resources import WarehouseResource
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError, InvalidInputError, UpstreamUnavailable
from oco_warehouse.settings import Settings, load_settings
from tests.loopback import served

ECB = (
    "Date,USD,JPY,GBP,CYP,\n"
    "2026-09-30,1.2,160,0.8,N/A,\n"
    "2026-09-29,1.1,165,N/A,N/A,\n"
    "2026-08-31,1.0,150,0.9,N/A,\n"
)
BILL = """\
BilledCost,EffectiveCost,ListCost,ContractedCost,BillingAccountId,BillingCurrency,\
BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,\
ServiceCategory,ServiceName,InvoiceIssuerName,ProviderName
10,10,10,10,1,EUR,2026-09-01,2026-10-01,2026-09-10,2026-09-11,Usage,Compute,EC2,AWS,AWS
"""


def zipped(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("eurofxref-hist.csv", text)
    return content.getvalue()


@dataclass
class Bank:
    """What the stand-in answers."""

    url: str = ""
    status: int = 200
    content: bytes = field(default_factory=lambda: zipped(ECB))
    cut: int = 0


@pytest.fixture
def bank() -> Iterator[Bank]:
    kept = Bank()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(kept.status)
            self.send_header("Content-Length", str(len(kept.content)))
            self.end_headers()
            self.wfile.write(kept.content[: len(kept.content) - kept.cut])

        def log_message(self, *arguments: Any) -> None:
            pass

    with served(Handler) as address:
        kept.url = f"{address}/stats/eurofxref-hist.zip"
        yield kept


def stored(warehouse: Warehouse) -> dict[tuple[str, str], tuple[Decimal, str, bool]]:
    rows = warehouse.query("SELECT * FROM oco.exchange_rates")
    return {
        (f"{row['month']:%Y-%m}", row["from_currency"]): (
            row["rate"],
            row["source"],
            row["fetched"],
        )
        for row in rows
    }


def stated(folder: Path, *lines: str) -> Path:
    path = folder / "rates.csv"
    path.write_text("\n".join(("month,from,to,rate,source", *lines)) + "\n")
    return path


@pytest.mark.parametrize("content", [ECB.encode(), zipped(ECB)])
def test_a_month_is_the_average_of_its_days_crossed_through_the_euro(content: bytes) -> None:
    rates = {(r.month, r.from_currency): r.rate for r in read_ecb("f", content)}
    assert rates == {
        (date(2026, 8, 1), "EUR"): Decimal(1),
        (date(2026, 8, 1), "JPY"): Decimal("0.00666666666667"),
        (date(2026, 8, 1), "GBP"): Decimal("1.11111111111"),
        (date(2026, 9, 1), "EUR"): Decimal("1.15"),
        # The average of both days, each crossed by itself.
        (date(2026, 9, 1), "JPY"): Decimal("0.00708333333333"),
        (date(2026, 9, 1), "GBP"): Decimal("1.5"),
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html>Maintenance</html>\n", "is not the ECB's history of rates"),
        (b"", "is not the ECB's history of rates"),
        (b"\xff\xfe\x00", "neither CSV in UTF-8 nor ZIP"),
        (ECB[:-10].encode(), "ends within a line"),
        (ECB.replace(",150,0.9,N/A,", ",150").encode(), r"line 4 has 3 fields, the header 6"),
        (ECB.replace("165", "1,65").encode(), r"line 3 has 7 fields"),
        (ECB.replace("165", "x").encode(), "line 3 cannot be read"),
        (ECB.replace("165", "-1").encode(), "a rate that is not above 0"),
        (zipped(ECB)[:-30], "no whole ZIP of one file"),
    ],
)
def test_what_is_not_the_whole_file_of_the_ecb_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(InvalidFileError, match=told):
        read_ecb("f", content)


@given(
    st.lists(
        st.tuples(
            st.dates(date(2000, 1, 1), date(2099, 12, 31)).map(lambda day: day.replace(day=1)),
            st.sampled_from(["EUR", "JPY", "GBP"]),
            st.decimals("0.000000000001", "1000000", places=12),
        ),
        min_size=1,
        unique_by=lambda rate: rate[:2],
    )
)
def test_stated_rates_keep_every_digit(rates: list[tuple[date, str, Decimal]]) -> None:
    lines = [f"{month:%Y-%m}, {currency} ,USD,{rate:f}" for month, currency, rate in rates]
    read = read_rates("mine.csv", "month,from,to,rate\n" + "\n".join(lines))
    assert read == [Rate(m, currency, "USD", rate, "mine.csv") for m, currency, rate in rates]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the first line must be month,from,to,rate"),
        ("month,from,to\n", "the first line must be"),
        ("month,from,to,rate\n", "there are no rates"),
        ("month,from,to,rate\n2026-13,EUR,USD,1\n", "line 2: month '2026-13'"),
        ("month,from,to,rate\n2026-09,eur,USD,1\n", "line 2: from 'eur' is no code"),
        ("month,from,to,rate\n2026-09,USD,USD,1\n", "from and to are both USD"),
        ("month,from,to,rate\n2026-09,EUR,USD,0\n", "line 2: rate 0 must be above 0"),
        ("month,from,to,rate\n2026-09,EUR,USD,NaN\n", "line 2: rate 'NaN' is not a finite"),
        ("month,from,to,rate\n2026-09,EUR,USD,1e999\n", "must be above 0, with at most 60"),
        ("month,from,to,rate\n2026-09,EUR,USD\n", "line 2: expected 4 fields"),
        ("month,from,to,rate\n2026-09,EUR,USD,1\n2026-09-01,EUR,USD,2\n", "line 3: .* twice"),
    ],
)
def test_a_stated_file_that_is_wrong_is_named_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InvalidFileError, match=rf"^f: .*{told}"):
        read_rates("f", text)


def test_a_stated_rate_wins_whichever_comes_first(
    warehouse: Warehouse, bank: Bank, tmp_path: Path
) -> None:
    mine = stated(tmp_path, "2026-09,EUR,USD,1.0837,treasury", "2026-09,CHF,USD,1.3,")
    first = fetch(warehouse, bank.url)
    assert (first.changed, first.read) == (6, 6)
    assert import_file(warehouse, mine).changed == 2
    assert fetch(warehouse, bank.url).changed == 0
    bank.content = zipped(ECB.replace("1.2,160", "1.3,160"))
    # JPY and GBP of September; EUR is stated.
    assert fetch(warehouse, bank.url).changed == 2
    rates = stored(warehouse)
    assert rates["2026-09", "EUR"] == (Decimal("1.0837"), "treasury", False)
    assert rates["2026-09", "CHF"] == (Decimal("1.3"), "rates.csv", False)
    assert rates["2026-08", "EUR"] == (Decimal(1), "ECB monthly average", True)
    assert rates["2026-09", "GBP"] == (Decimal("1.625"), "ECB monthly average", True)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"status": 404}, InvalidInputError, "answered 404: check OCO_EXCHANGE_RATES_URL"),
        ({"status": 500}, UpstreamUnavailable, "answered 500: try again later"),
        ({"cut": 20}, UpstreamUnavailable, "does not answer as it should"),
        ({"content": b"garbage"}, InvalidFileError, "is not the ECB's history"),
        ({"content": zipped(ECB)[:-30]}, InvalidFileError, "no whole ZIP"),
    ],
)
def test_a_failed_fetch_changes_no_rate(
    warehouse: Warehouse,
    bank: Bank,
    change: dict[str, Any],
    error: type[Exception],
    told: str,
) -> None:
    fetch(warehouse, bank.url)
    before = stored(warehouse)
    for name, value in change.items():
        setattr(bank, name, value)
    with pytest.raises(error, match=told):
        fetch(warehouse, bank.url)
    assert stored(warehouse) == before


def settings(**environment: str) -> Settings:
    return load_settings(environment)


def test_nothing_is_fetched_unasked(warehouse: Warehouse) -> None:
    assert refresh(warehouse, settings()) == {}


def test_the_asset_loads_both_and_says_so(warehouse: Warehouse, bank: Bank, tmp_path: Path) -> None:
    mine = stated(tmp_path, "2026-09,EUR,USD,1.0837,treasury")
    asset = exchange_rates_asset(
        settings(OCO_EXCHANGE_RATES=str(mine), OCO_EXCHANGE_RATES_URL=bank.url)
    )
    resources = {"warehouse": WarehouseResource(database_url=warehouse.url)}
    with DagsterInstance.ephemeral() as instance:
        done = materialize([asset], resources=resources, instance=instance)
        (event,) = done.asset_materializations_for_node("exchange_rates")
        bank.content = b"garbage"
        failed = materialize([asset], resources=resources, instance=instance, raise_on_error=False)
    assert event.metadata["rows"].value == 6
    assert event.metadata["rows_stated"].value == 1
    assert event.metadata["window"].value == "2026-08-01 to 2026-09-01"
    assert not failed.success


def oco(
    warehouse: Warehouse, home: Path, *arguments: object, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "oco_cli", *map(str, arguments)],
        env={
            **os.environ,
            "OCO_HOME": str(home),
            "DATABASE_URL": warehouse.url,
            "COLUMNS": "200",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_bill_waits_for_its_rate_and_follows_it(
    warehouse: Warehouse, bank: Bank, tmp_path: Path
) -> None:
    bill = tmp_path / "bill.csv"
    bill.write_text(BILL)

    def cost() -> list[tuple[Decimal, Decimal]]:
        rows = warehouse.query(
            "SELECT cost_usd, usd_rate FROM oco.cloud_costs WHERE valid_to IS NULL"
        )
        return [(row["cost_usd"], row["usd_rate"]) for row in rows]

    with pytest.raises(InvalidInputError, match=r"no exchange rate to USD for EUR in 2026-09: add"):
        load_focus_file(warehouse, "a", bill)
    assert cost() == []
    unset = oco(warehouse, tmp_path, "rates", "fetch")
    assert (unset.returncode, "set OCO_EXCHANGE_RATES_URL" in unset.stderr) == (1, True)
    fetched = oco(warehouse, tmp_path, "rates", "fetch", OCO_EXCHANGE_RATES_URL=bank.url)
    assert fetched.stdout.startswith("6 of 6 rates were new or changed"), fetched.stderr
    load_focus_file(warehouse, "a", bill)
    assert cost() == [(Decimal("11.5"), Decimal("1.15"))]
    assert load_focus_file(warehouse, "a", bill).status == "unchanged"
    mine = stated(tmp_path, "2026-09,EUR,USD,1.0837,treasury")
    imported = oco(warehouse, tmp_path, "rates", "import", mine)
    assert imported.stdout.startswith("1 of 1 rates were new or changed"), imported.stderr
    again = load_focus_file(warehouse, "a", bill)
    assert (again.status, again.inserted, again.closed) == ("loaded", 1, 1)
    assert cost() == [(Decimal("10.837"), Decimal("1.0837"))]
    listed = oco(warehouse, tmp_path, "rates", "list", "--currency", "eur").stdout
    assert "1.0837" in listed
    assert "treasury" in listed
    assert "2 of 2 rates" in listed
