from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion.cost_totals import add_totals
from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.focus_reader import read_focus

Charge = dict[str, str | None]
MakeCharge = Callable[..., Charge]
MakeCsv = Callable[..., Path]


def read(path: Path) -> Normalised:
    (table,) = read_focus("file", path)
    return normalise(table)


def test_a_charge_becomes_a_row_of_the_warehouse(
    make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    (row,) = read(make_csv(make_charge(RegionId="us-east-1"))).accepted.to_dicts()
    assert (row["provider"], row["service"]) == ("aws", "Amazon Elastic Compute Cloud")
    assert (row["region"], row["account_id"]) == ("us-east-1", "210987654321")
    assert (row["date"], row["tags"]) == (date(2026, 9, 10), '{"team":"search"}')
    assert row["charge_period_start"] == datetime(2026, 9, 10, tzinfo=UTC)
    assert Decimal(row["billed_cost"]) == Decimal("1.5")


def test_without_a_sub_account_the_billing_account_is_the_account(
    make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    (row,) = read(make_csv(make_charge(SubAccountId=None))).accepted.to_dicts()
    assert row["account_id"] == "123456789012"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"BilledCost": None}, "BilledCost is missing"),
        ({"BilledCost": "n/a"}, "BilledCost: 'n/a'"),
        ({"ChargePeriodStart": "-0001-09-01"}, "ChargePeriodStart: '-0001-09-01'"),
        ({"ChargePeriodEnd": "2026-09-10T00:00:00Z"}, "charge_period ends"),
        ({"ChargeCategory": "Fee"}, "ChargeCategory 'Fee'"),
        ({"ChargeClass": "Wrong"}, "ChargeClass 'Wrong'"),
        ({"BillingCurrency": "usd"}, "BillingCurrency 'usd'"),
        ({"Tags": "team=search"}, "Tags: "),
        ({"ProviderName": None}, "ProviderName or ServiceProviderName is missing"),
    ],
)
def test_a_row_that_cannot_be_loaded_is_kept_with_its_number_and_reason(
    make_charge: MakeCharge, make_csv: MakeCsv, changes: Charge, told: str
) -> None:
    result = read(make_csv(make_charge(), make_charge(**changes)))
    (rejected,) = result.rejected
    assert result.accepted.height == 1
    assert rejected.row_number == 2
    assert told in rejected.reason
    assert rejected.raw["ServiceName"] == "Amazon Elastic Compute Cloud"


amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=12, allow_nan=False).map(str)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(amounts, st.just("n/a")),
            st.sampled_from(["USD", "EUR", "usd"]),
            st.sampled_from(["Usage", "Credit", "Fee"]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_accepted_and_rejected_add_up_to_the_file(
    make_charge: MakeCharge, make_csv: MakeCsv, rows: list[tuple[str, str, str]]
) -> None:
    charges = [
        make_charge(BilledCost=cost, BillingCurrency=currency, ChargeCategory=category)
        for cost, currency, category in rows
    ]
    result = read(make_csv(*charges))
    assert result.rows == len(rows)
    assert add_totals(result.totals_accepted, result.totals_rejected) == result.totals_source
    for currency in {row[1] for row in rows}:
        by_hand = sum(
            (Decimal(row[0]) for row in rows if row[1] == currency and row[0] != "n/a"), Decimal(0)
        )
        assert result.totals_source[currency]["billed_cost"] == by_hand


def test_the_hash_is_of_what_a_row_says_and_not_of_how_it_is_written(
    make_charge: MakeCharge, make_csv: MakeCsv
) -> None:
    same = make_charge(
        BilledCost="1.50", ChargePeriodStart="2026-09-10", Tags='{ "team":"search" }'
    )
    frame = read(make_csv(make_charge(), same)).accepted
    assert frame["row_hash"].n_unique() == 1
