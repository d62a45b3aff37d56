import gzip
import io
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.focus_columns import REQUIRED
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable, read_focus
from oco_warehouse.errors import InvalidFileError, OpenCloudOpsError

HEADER = (*REQUIRED, "ProviderName", "Tags")


def csv_of(rows: list[dict[str, str]], header: tuple[str, ...] = HEADER) -> bytes:
    frame = pl.DataFrame(
        {name: [row.get(name, "x") for row in rows] for name in header},
        schema=dict.fromkeys(header, pl.String),
    )
    return frame.write_csv().encode()


def read_all(name: str, content: bytes, ignore: Collection[str] = ()) -> SourceTable:
    """A file of that content as one table."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        tables = list(read_focus(name, Path(file.name), ignore))
    return SourceTable(pl.concat(table.rows for table in tables), tables[0].ignored)


def rows_of(content: bytes) -> list[dict[str, str]]:
    return read_all("file", content).rows.drop(ROW_NUMBER).to_dicts()


def test_null_is_null_whatever_it_is_written_as() -> None:
    written = [{"Tags": text} for text in ("NULL", "null", "", "nullable")]
    tags = [row["Tags"] for row in rows_of(csv_of(written))]
    assert tags == [None, None, None, "nullable"]


def test_a_number_keeps_every_digit() -> None:
    digits = "0.12345678901234567890123456789"
    assert rows_of(csv_of([{"BilledCost": digits}]))[0]["BilledCost"] == digits


def test_gzip_bom_and_quoted_newlines_change_nothing() -> None:
    plain = csv_of([{"ServiceName": 'two\nlines, "quoted"'}])
    assert rows_of(plain)[0]["ServiceName"] == 'two\nlines, "quoted"'
    assert rows_of(gzip.compress(plain)) == rows_of(plain)
    assert rows_of(b"\xef\xbb\xbf" + plain) == rows_of(plain)


def test_columns_match_in_any_case_and_in_snake_case() -> None:
    plain = csv_of([{"BilledCost": "1"}])
    snake = plain.replace(b"BilledCost", b"billed_cost").replace(b"ServiceName", b"SERVICENAME")
    assert rows_of(snake) == rows_of(plain)


def test_rows_are_numbered_from_one() -> None:
    assert read_all("f", csv_of([{}, {}])).rows[ROW_NUMBER].to_list() == [1, 2]


def test_stray_ids_and_custom_columns_are_left_out_and_told() -> None:
    table = read_all("f", csv_of([{}], (*HEADER, "Id", "x_Custom")))
    assert table.ignored == ("Id", "x_Custom")
    assert "Id" not in table.rows.columns


PREVIEW = (
    *(name for name in REQUIRED if name != "InvoiceIssuerName"),
    *("InvoiceIssuer", "Provider", "Publisher", "Region", "UsageQuantity", "UsageUnit"),
    *("ChargeSubcategory", "PricingCategory", "oci_ReferenceNumber", "oci_AttributedCost"),
)


def test_the_preview_form_of_oracle_is_read_as_1_0() -> None:
    written = {"InvoiceIssuer": "Oracle", "Provider": "Oracle", "Region": "us-ashburn-1"}
    used = {"ChargeSubcategory": "Used Commitment", "PricingCategory": "Commitment-Based"}
    given = {"ChargeSubcategory": "Credit", "ChargeCategory": "Adjustment"}
    rows = [
        written | used,
        written | given | {"PricingCategory": "On-Demand"},
        written | {"ChargeSubcategory": "Refund", "ChargeCategory": "Adjustment"},
    ]
    table = read_all("f", csv_of(rows, PREVIEW))
    assert table.ignored == ("oci_ReferenceNumber", "oci_AttributedCost")
    told = table.rows.select(
        *("InvoiceIssuerName", "ProviderName", "RegionId", "ConsumedQuantity", "ChargeCategory"),
        *("ChargeClass", "CommitmentDiscountStatus", "PricingCategory"),
    )
    oracle = ("Oracle", "Oracle", "us-ashburn-1", "x")
    assert told.rows() == [
        (*oracle, "x", None, "Used", "Committed"),
        (*oracle, "Credit", None, None, "Standard"),
        (*oracle, "Adjustment", "Correction", None, "x"),
    ]


def test_a_report_in_a_vendors_own_form_is_sent_to_the_command_that_reads_it() -> None:
    content = b"bill/PayerAccountId,lineItem/UnblendedCost\n1,2\n"
    with pytest.raises(InvalidFileError, match=r"f: no FOCUS export: .* `oco import aws`"):
        read_all("f", content)


def test_an_unknown_column_can_be_left_out_by_name() -> None:
    content = csv_of([{}], (*HEADER, "Margin"))
    with pytest.raises(InvalidFileError, match="unknown column 'Margin'"):
        read_all("f", content)
    assert read_all("f", content, ["margin"]).ignored == ("Margin",)


def test_unknown_columns_are_named_all_at_once() -> None:
    content = csv_of([{}], (*HEADER, "Margin", "ServiceNam"))
    with pytest.raises(InvalidFileError) as refused:
        read_all("f", content)
    assert str(refused.value) == (
        "f: unknown columns 'Margin', 'ServiceNam' (is ServiceName meant?); FOCUS 1.0 to 1.3 has "
        "none of these names: correct them, or leave them out with --ignore-column 'Margin' "
        "--ignore-column 'ServiceNam'"
    )


def test_parquet_gives_the_same_texts_as_csv() -> None:
    start = datetime(2026, 9, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            **{name: ["x"] for name in HEADER},
            "BilledCost": [8e-07],
            "EffectiveCost": pl.Series([Decimal("1.10")], dtype=pl.Decimal(20, 4)),
            "ListCost": ["0.30000000000000000000000001"],
            "ChargePeriodStart": [start],
            "Tags": [[{"key": "team", "value": "search"}]],
        }
    )
    sink = io.BytesIO()
    frame.write_parquet(sink)
    (row,) = rows_of(sink.getvalue())
    assert Decimal(row["BilledCost"]) == Decimal("0.0000008")
    assert Decimal(row["EffectiveCost"]) == Decimal("1.1")
    assert row["ListCost"] == "0.30000000000000000000000001"
    assert row["ChargePeriodStart"].startswith("2026-09-01T00:00:00")
    assert row["Tags"] == '[{"key": "team", "value": "search"}]'


def truncated_parquet() -> bytes:
    sink = io.BytesIO()
    pl.DataFrame({name: ["x"] for name in HEADER}).write_parquet(sink)
    return sink.getvalue()[:-20]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: b"", "is empty"),
        (lambda: gzip.compress(b""), "is empty"),
        (lambda: csv_of([]), "no rows"),
        (lambda: csv_of([{}])[:-1] + b',"broken', "damaged"),
        (lambda: gzip.compress(csv_of([{}]))[:-9], "gzip data is damaged"),
        (truncated_parquet, "Parquet data is damaged"),
        (lambda: bytes(range(128, 256)), "neither CSV in UTF-8 nor Parquet"),
        (lambda: csv_of([{}, {}])[:-20], "row 2 has"),
        (lambda: csv_of([{}]).rstrip() + b",1\n" + csv_of([{}]), "row 1 has"),
        (lambda: csv_of([{}]).replace(b",", b";"), "its fields lie between semicolons"),
        (lambda: csv_of([{}]).replace(b",", b"\t"), "its fields lie between tabs"),
        (lambda: csv_of([{}]).replace(b"\n", b"\r"), "its lines end with CR alone"),
        (lambda: b"PK\x03\x04" + csv_of([{}]), "a ZIP archive: unpack it first"),
        (lambda: csv_of([{}]).decode().encode("utf-16"), "UTF-16: save it as UTF-8"),
        (lambda: b'{"BilledCost": 1}', "JSON: export it as one of them"),
        (lambda: csv_of([{}], HEADER[1:]), f"missing column {HEADER[0]}"),
        (lambda: csv_of([{}], REQUIRED), "missing column ProviderName or ServiceProviderName"),
        (lambda: csv_of([{}], (*HEADER, "BiledCost")), "is BilledCost meant"),
        (lambda: csv_of([{}]).replace(b"Tags", b"BilledCost"), "stands there twice"),
    ],
)
def test_a_file_that_is_not_focus_is_one_line_naming_it(
    make: Callable[[], bytes], told: str
) -> None:
    with pytest.raises(InvalidFileError) as caught:
        read_all("september.csv", make())
    assert str(caught.value).startswith("september.csv: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("block_bytes", [500, 1_000, 10**6])
def test_a_short_row_is_named_wherever_it_stands(block_bytes: int, tmp_path: Path) -> None:
    lines = csv_of([{"Tags": '{"a": "1,2"}'}] * 5).splitlines(keepends=True)
    lines[4] = b",".join(lines[4].split(b",")[:3]) + b"\n"
    path = tmp_path / "short.csv"
    path.write_bytes(b"".join(lines))
    with pytest.raises(InvalidFileError, match=r"^short\.csv: row 4 has \d+ fields"):
        list(read_focus("short.csv", path, block_bytes=block_bytes))


def test_lines_without_anything_are_no_rows() -> None:
    header, row = csv_of([{}]).splitlines(keepends=True)
    assert len(rows_of(header + row + b"\n" + row + b"\n\r\n")) == 2


@given(st.binary(max_size=300))
def test_junk_is_refused_and_never_a_crash(content: bytes) -> None:
    with pytest.raises(OpenCloudOpsError):
        read_all("junk", content)
