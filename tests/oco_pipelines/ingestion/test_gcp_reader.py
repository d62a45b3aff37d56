import gzip
import io
import json
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oco_pipelines.ingestion.focus_normalise import normalise
from oco_pipelines.ingestion.gcp_columns import NECESSARY, recognise
from oco_pipelines.ingestion.gcp_export import translate
from oco_pipelines.ingestion.gcp_reader import read_batches
from oco_warehouse.errors import InvalidFileError, OpenCloudOpsError
from tests.oco_pipelines.ingestion.gcp_bill import (
    Line,
    as_csv,
    as_json,
    as_parquet,
    bill,
    line,
)


def read(content: bytes, rows: int = 100) -> pl.DataFrame:
    return pl.concat(list(read_batches("bill", io.BytesIO(content), rows)))


def as_array() -> bytes:
    return b"[" + as_json([line()]).strip() + b"]"


def without(*names: str) -> list[Line]:
    return [{key: value for key, value in line().items() if key not in names}]


def test_the_variant_is_told_by_the_fields_of_resources() -> None:
    assert recognise([*NECESSARY, "resource.name"]) == "resource"
    assert recognise([*NECESSARY, "labels"]) == "standard"
    assert recognise([name.replace(".", "_") for name in NECESSARY]) == "standard"
    assert recognise(["BillingAccountId", "BilledCost"]) is None


def test_a_number_of_json_keeps_every_digit() -> None:
    digits = "0.12345678901234567890123456789"
    content = as_json([line()]).replace(b'"cost":1.5', f'"cost":{digits}'.encode())
    assert read(content)["cost"].to_list() == [digits]
    amount = "-1.00000000000000000000000000001e-3"
    content = content.replace(
        b'"credits":[]', f'"credits":[{{"amount":{amount},"type":"DISCOUNT"}}]'.encode()
    )
    assert json.loads(read(content)["credits"][0]) == [{"amount": amount, "type": "DISCOUNT"}]


def test_gzip_and_a_byte_order_mark_change_nothing() -> None:
    for content in (as_json([line()]), as_csv([line()]), as_parquet([line()])):
        assert read(gzip.compress(content)).equals(read(content))
    for content in (as_json([line()]), as_csv([line()])):
        assert read(b"\xef\xbb\xbf" + content).equals(read(content))


def test_a_struct_in_csv_may_be_json() -> None:
    row = {**line(), "invoice": json.dumps({"month": "202609"})}
    assert read(as_csv([row]))["invoice.month"].to_list() == ["202609"]


def test_a_float_that_is_no_number_is_null() -> None:
    content = as_json([line()]).replace(b'"cost_at_list":2', b'"cost_at_list":NaN')
    assert read(content)["cost_at_list"].to_list() == [None]


def test_arrays_in_three_levels_are_arrays() -> None:
    wrapped = {"list": [{"element": {"key": "team", "value": "search"}}]}
    (row,) = read(as_json([line(labels=wrapped)]))["labels"]
    assert json.loads(row) == [{"key": "team", "value": "search"}]


def test_lines_that_are_none_are_rejected_with_their_numbers_and_the_rest_is_loaded() -> None:
    good = as_json([line()]).strip()
    broken = [b'{"cost": 1,', b"[1]", b"\xff\xfe", b'{"currency": "\\ud800"}', b"{" * 9000]
    content = b"\n".join([good, *broken, b"", good])
    (table,) = translate(read_batches("bill", io.BytesIO(content)))
    found = normalise(table)
    assert found.accepted.height == 2
    assert [row.row_number for row in found.rejected] == [2, 3, 4, 5, 6]
    told = ["no JSON", "not a JSON object", "invalid start byte", "surrogates", "no JSON"]
    for row, words in zip(found.rejected, told, strict=True):
        assert words in row.reason


def test_a_row_of_csv_with_a_value_too_many_is_rejected() -> None:
    header, row = as_csv([line()]).decode().splitlines()
    content = "\n".join([header, row, row + ",more"]).encode()
    (table,) = translate(read_batches("bill", io.BytesIO(content)))
    found = normalise(table)
    assert (found.accepted.height, found.rejected[0].row_number) == (1, 2)
    assert "columns" in found.rejected[0].reason


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: b"", "is empty"),
        (lambda: gzip.compress(b""), "is empty"),
        (lambda: gzip.compress(as_json(bill(1)))[:-30], "damaged"),
        (lambda: as_parquet([line()])[:-20], "Parquet data is damaged"),
        (lambda: bytes(range(128, 256)), "neither JSON lines nor Parquet nor CSV"),
        (as_array, "save it as newline-delimited JSON"),
        (lambda: b'{\n  "cost": 1\n}\n', "no row can be read"),
        (lambda: as_csv([line()]).splitlines()[0], "has no rows"),
        (lambda: as_json(without("credits")), "missing field credits"),
        (lambda: as_parquet(without("credits", "cost_type")), "missing field cost_type, credits"),
        (lambda: as_csv(without("invoice")), "missing field invoice.month"),
        (lambda: as_csv([line(**{"credits.amount": "-1"})]), "credits are flattened"),
        (
            lambda: as_csv([line(invoice_month="202609")], separator="."),
            "'invoice.month' stands there twice",
        ),
        (lambda: b"BilledCost,ChargeCategory\n1,Usage\n", "not those of GCP's billing export"),
        (lambda: b'{"a": 1}\n', "not those of GCP's billing export"),
    ],
)
def test_a_file_that_is_no_export_is_one_line_naming_it(
    make: Callable[[], bytes], told: str
) -> None:
    with pytest.raises(InvalidFileError) as caught:
        list(read_batches("september.json", io.BytesIO(make())))
    assert str(caught.value).startswith("september.json: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=300))
@example(b"{}")
def test_junk_is_refused_and_never_a_crash(content: bytes) -> None:
    with pytest.raises(OpenCloudOpsError):
        list(read_batches("junk", io.BytesIO(content)))


@given(st.binary(max_size=40))
def test_a_damaged_parquet_file_is_refused_and_never_a_crash(junk: bytes) -> None:
    with pytest.raises(OpenCloudOpsError):
        list(read_batches("junk", io.BytesIO(b"PAR1" + junk + b"PAR1")))
