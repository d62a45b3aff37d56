"""Columns at a time must mean what rows one by one mean, wherever a file is cut."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oco_pipelines.ingestion.cost_totals import sum_costs
from oco_pipelines.ingestion.csv_blocks import read_blocks, record_end
from oco_pipelines.ingestion.focus_columns import (
    CHARGE_CATEGORIES,
    COLUMNS,
    PROVIDER_COLUMNS,
    REQUIRED,
    warehouse_columns,
)
from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_pipelines.ingestion.focus_reader import read_focus
from oco_pipelines.ingestion.focus_values import (
    provider_slug,
    read_amount,
    read_instant,
    read_object,
)
from oco_warehouse.errors import InvalidFileError, InvalidInputError

Row = dict[str, str | None]
MakeFile = Callable[[bytes], Path]
READERS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "amount": read_amount,
    "instant": read_instant,
    "object": read_object,
}


def reference(raw: Row) -> dict[str, Any]:
    """One row, judged and converted; raises InvalidInputError with the reason of its rejection."""
    row: dict[str, Any] = dict.fromkeys(warehouse_columns())
    for name in REQUIRED:
        if raw[name] is None:
            raise InvalidInputError(f"{name} is missing")
    for name, text in raw.items():
        if text is None:
            continue
        if "\0" in text:
            raise InvalidInputError(f"{name} holds a NUL character, which PostgreSQL cannot keep")
        try:
            row[COLUMNS[name].column] = READERS[COLUMNS[name].kind](text)
        except InvalidInputError as error:
            raise InvalidInputError(f"{name}: {error}") from None
    providers = [raw.get(name) for name in PROVIDER_COLUMNS]
    if not any(providers):
        raise InvalidInputError("ProviderName or ServiceProviderName is missing")
    judge(row)
    row["tags"] = row["tags"] or "{}"
    # What every release before wrote: the digest must stay as it was.
    values = [
        value.isoformat() if isinstance(value, datetime) else value
        for value in (row[name] for name in warehouse_columns())
    ]
    row["row_hash"] = sha256(json.dumps(values, ensure_ascii=False).encode()).digest()
    row["provider"] = provider_slug(next(filter(None, providers)))
    row["account_id"] = row["sub_account_id"] or row["billing_account_id"]
    row["date"] = row["charge_period_start"].date()
    return row


def judge(row: dict[str, Any]) -> None:
    category, currency = row["charge_category"], row["billing_currency"]
    if category not in CHARGE_CATEGORIES:
        names = ", ".join(CHARGE_CATEGORIES)
        raise InvalidInputError(f"ChargeCategory {category!r} is none of {names}")
    if row["charge_class"] not in {None, "Correction"}:
        raise InvalidInputError(f"ChargeClass {row['charge_class']!r} is not Correction")
    if len(currency) != 3 or not all("A" <= letter <= "Z" for letter in currency):
        raise InvalidInputError(f"BillingCurrency {currency!r} is not a code of ISO 4217")
    for period in ("charge_period", "billing_period"):
        end: datetime = row[f"{period}_end"]
        if end <= row[f"{period}_start"]:
            raise InvalidInputError(f"{period} ends at {end.isoformat()}, not after its start")


words = st.one_of(
    st.sampled_from(
        ["EC2", "x", 'a "b"', "a\\b", "tab\there", "two\nlines", "a,b", "\x01", "é€😀"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=6),
)
amounts = st.one_of(
    st.decimals(min_value=-(10**12), max_value=10**12, places=9, allow_nan=False).map(str),
    st.sampled_from(
        ["0", "-0", "-0.00", "007.50", "1e-7", "+5", ".5", "5.", " 1 ", "1_0", "n/a", "NaN", "-"]
    ),
    st.sampled_from(["1" * 31, "0." + "1" * 40, "1" * 61, "٣", "1.0e3", "100", "100.0"]),
)
instants = st.sampled_from(
    [
        *("2026-09-10T00:00:00Z", "2026-09-11", "2026-09-11 05:06:07.000008", "soon"),
        *("2026-09-10T00:00:00+02:00", "1999-01-01", "2026-02-30"),
    ]
)
objects = st.sampled_from(
    ['{"team": "a"}', '{"b": "\\\\ \\" \\n"}', '"k": "v"', "team=a", "{}", '{"x": "\\u0000"}']
)
charges = st.fixed_dictionaries(
    {
        "BilledCost": amounts,
        "EffectiveCost": amounts,
        "ListCost": st.sampled_from(["2", "2.50"]),
        "BillingAccountId": words,
        "BillingCurrency": st.sampled_from(["USD", "USD", "EUR", "usd", "US1", "ÄÖÜ"]),
        "BillingPeriodStart": st.just("2026-09-01"),
        "BillingPeriodEnd": st.just("2026-10-01"),
        "ChargePeriodStart": instants,
        "ChargePeriodEnd": st.just("2026-09-12T00:00:00Z") | instants,
        "ChargeCategory": st.sampled_from(["Usage", "Credit", "Fee"]),
        "ServiceCategory": words,
        "ServiceName": words,
        "InvoiceIssuerName": words,
    },
    optional={
        "ProviderName": st.sampled_from(["AWS", "Microsoft"]),
        "ServiceProviderName": words,
        "ContractedCost": amounts,
        "ChargeClass": st.sampled_from(["Correction", "Wrong"]),
        "SubAccountId": words,
        "Tags": objects,
        "SkuPriceDetails": objects,
        "ResourceId": words | st.just("with\0nul"),
    },
)
columns = (*REQUIRED, "ProviderName", "ServiceProviderName", "ContractedCost", "ChargeClass")
columns += ("SubAccountId", "Tags", "SkuPriceDetails", "ResourceId")


def as_csv(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parts_of(path: Path, block_bytes: int) -> Iterator[Normalised]:
    return map(normalise, read_focus("file", path, block_bytes=block_bytes))


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(charges, min_size=1, max_size=12), st.integers(min_value=1, max_value=4000))
def test_every_row_is_what_it_is_alone_wherever_the_file_is_cut(
    make_file: MakeFile, rows: list[Row], block_bytes: int
) -> None:
    accepted: dict[int, dict[str, Any]] = {}
    rejected: dict[int, str] = {}
    for number, row in enumerate(rows, 1):
        raw = {name: row.get(name) for name in columns}
        raw |= {name: None for name, text in raw.items() if text in {"", "NULL", "null"}}
        try:
            accepted[number] = reference(raw)
        except InvalidInputError as error:
            rejected[number] = str(error)
    parts = list(parts_of(make_file(as_csv(rows)), max(block_bytes, 600)))
    found = {
        row["row_number"]: row for part in parts for row in part.accepted.iter_rows(named=True)
    }
    assert found.keys() == accepted.keys()
    for number, row in found.items():
        del row["row_number"]
        assert row == {name: accepted[number][name] for name in row}
    assert {row.row_number: row.reason for part in parts for row in part.rejected} == rejected


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(words, words), max_size=20),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(min_value=1, max_value=60),
)
def test_blocks_are_whole_records_and_together_the_file(
    rows: list[tuple[str, str]], ending: str, size: int
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=ending).writerows(rows)
    content = text.getvalue().encode()
    # One read never ends a record here: the longest one has less than the limit of two reads.
    blocks = list(read_blocks("file", io.BytesIO(content), max(size, 40)))
    assert b"".join(blocks) == content
    assert all(block.count(b'"') % 2 == 0 for block in blocks)
    assert all(record_end(block) == len(block) for block in blocks if block.endswith(b"\n"))


def test_a_quote_that_stays_open_ends_the_reading_before_it_fills_the_memory() -> None:
    content = b'a,b\n"' + b"x,\n" * 1000
    with pytest.raises(InvalidFileError, match="a quote left open"):
        list(read_blocks("file", io.BytesIO(content), 100))


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_order_mark_is_left_out_however_little_is_read_at_once(size: int) -> None:
    blocks = read_blocks("file", io.BytesIO(b"\xef\xbb\xbfa\n1\n"), size)
    assert b"".join(blocks) == b"a\n1\n"


def test_parquet_in_parts_is_the_same_as_whole(make_file: MakeFile) -> None:
    rows = [dict.fromkeys(columns, "x") | {"BilledCost": str(n)} for n in range(10)]
    sink = io.BytesIO()
    pl.DataFrame(rows).write_parquet(sink, row_group_size=4)
    path = make_file(sink.getvalue())
    parts = [table.rows for table in read_focus("file", path, batch_rows=3)]
    (whole,) = read_focus("file", path)
    assert [part.height for part in parts] == [3, 3, 3, 1]
    assert pl.concat(parts).equals(whole.rows)


wide = st.builds(
    lambda digits, scale: f"{Decimal(digits).scaleb(-scale):f}",
    st.integers(min_value=-(10**27), max_value=10**27),
    st.integers(min_value=0, max_value=30),
)


@given(st.lists(st.tuples(st.sampled_from(["USD", "EUR"]), wide | st.none()), max_size=30))
def test_sums_are_exact_however_large_and_however_small(
    rows: list[tuple[str, str | None]],
) -> None:
    texts = [None if text is None else read_amount(text) for _, text in rows]
    found = sum_costs(
        pl.Series([currency for currency, _ in rows], dtype=pl.String),
        pl.DataFrame({"billed_cost": texts}, schema={"billed_cost": pl.String}),
    )
    assert found.keys() == {currency for currency, _ in rows}
    for currency, sums in found.items():
        by_hand = sum(Fraction(text) for key, text in rows if key == currency and text is not None)
        assert Fraction(sums["billed_cost"]) == by_hand
        assert sums["list_cost"] == 0
