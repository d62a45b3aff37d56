"""The forms AWS writes a report in: told apart by their columns, and equal in what they say."""

import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.aws_cur import translate
from oco_pipelines.ingestion.aws_cur_columns import NECESSARY, OPTIONAL, recognise, snake
from oco_pipelines.ingestion.aws_cur_labels import tag_key
from oco_pipelines.ingestion.cost_totals import add_totals
from oco_pipelines.ingestion.focus_normalise import Normalised, normalise
from oco_warehouse.errors import InvalidFileError, OpenCloudOpsError
from tests.oco_pipelines.ingestion import aws_forms, aws_month
from tests.oco_pipelines.ingestion.aws_forms import FORMS, legacy_csv, read_report
from tests.oco_pipelines.ingestion.aws_month import SPELLINGS, Month
from tests.oco_pipelines.ingestion.files import frame_of

Charge = dict[str, str | None]
# What not every form can say: names of accounts, and how a tag's key was written.
UNEQUAL = {"billing_account_name", "sub_account_name", "tags", "allocated_tags", "row_hash"}
SEEDS = range(5)


def load(content: bytes) -> Normalised:
    return normalise(read_report("report", content))


def said(result: Normalised) -> list[dict[str, Any]]:
    found = []
    for row in result.accepted.to_dicts():
        tags = {
            aws_forms.snake(key): value
            for name in ("tags", "allocated_tags")
            for key, value in json.loads(row[name] or "{}").items()
        }
        found.append({k: v for k, v in row.items() if k not in UNEQUAL} | {"tags": tags})
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_form_of_a_month_gives_the_same_rows(seed: int) -> None:
    made = aws_month.month(seed)
    loaded = {name: load(write(made)) for name, write in FORMS.items()}
    first = loaded["legacy CSV"]
    assert first.rows == len(made.lines)
    for name, result in loaded.items():
        assert not result.rejected, name
        assert result.totals_accepted == first.totals_accepted, name
        assert said(result) == said(first), name


@pytest.mark.parametrize("seed", SEEDS)
def test_the_total_is_the_plain_sum_of_the_unblended_costs(seed: int) -> None:
    made = aws_month.month(seed, currencies=("USD", "EUR", "JPY"))
    for name, write in FORMS.items():
        result = load(write(made))
        assert set(result.totals_source) == {"USD", "EUR", "JPY"}
        for currency, sums in result.totals_source.items():
            assert sums["billed_cost"] == made.billed(currency), (name, currency)
        assert add_totals(result.totals_accepted, result.totals_rejected) == result.totals_source


def test_a_report_in_pieces_says_what_it_says_whole() -> None:
    content = legacy_csv(aws_month.month(7))
    frame = frame_of(content)
    report = recognise("report", frame.columns)
    whole = translate("report", frame, report)
    pieces = [translate("report", piece, report) for piece in frame.iter_slices(7)]
    assert pl.concat(pieces).equals(whole)


@pytest.mark.parametrize(("camel", "spelt"), SPELLINGS.items())
def test_names_are_spelt_as_athena_spells_them(camel: str, spelt: str) -> None:
    assert snake(camel) == spelt


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("legacy CSV", "legacy CSV"),
        ("legacy Parquet", "legacy Parquet"),
        ("CUR 2.0 CSV", "CUR 2.0"),
        ("CUR 2.0 Parquet", "CUR 2.0"),
    ],
)
def test_the_form_is_told_by_the_columns(name: str, form: str) -> None:
    frame = frame_of(FORMS[name](aws_month.month(1)))
    assert recognise("report", frame.columns).form == form


def test_a_focus_export_is_loaded_as_focus(
    make_charge: Callable[..., Charge], make_csv: Callable[..., Path]
) -> None:
    (found,) = load(
        make_csv(make_charge(x_ServiceCode="AmazonEC2")).read_bytes()
    ).accepted.to_dicts()
    assert (found["billed_cost"], found["effective_cost"]) == ("1.5", "1.25")


def test_a_column_that_focus_does_not_have_can_be_left_out_of_a_focus_export(
    make_charge: Callable[..., Charge], make_csv: Callable[..., Path]
) -> None:
    content = make_csv(make_charge(Margin="1")).read_bytes()
    with pytest.raises(InvalidFileError, match="--ignore-column 'Margin'"):
        read_report("report", content)
    assert read_report("report", content, ["Margin"]).ignored == ("Margin",)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("a,b", "neither an AWS Cost and Usage Report nor a FOCUS export"),
        ("Date,Cost,Currency", "no column line_item_unblended_cost (lineItem/UnblendedCost)"),
        (",".join(NECESSARY[:-1]), "missing column line_item_unblended_cost of the AWS Cost"),
        (",".join(NECESSARY[1:]), "missing column bill_payer_account_id of"),
        ("BilledCost,EffectiveCost", "missing column"),
    ],
)
def test_anything_else_is_refused_in_one_line_that_says_what_is_missing(
    header: str, told: str
) -> None:
    content = f"{header}\n{','.join('1' for _ in header.split(','))}\n".encode()
    with pytest.raises(InvalidFileError) as caught:
        read_report("september.csv", content)
    assert str(caught.value).startswith("september.csv: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_columns_that_nothing_is_read_from_are_no_matter() -> None:
    made = Month()
    made.add("Usage", "1")
    plain = pl.read_csv(io.BytesIO(legacy_csv(made)), infer_schema=False)
    wide = plain.with_columns(
        pl.lit(str(index)).alias(f"product/attribute{index}") for index in range(300)
    )
    assert read_report("f", wide.write_csv().encode()).rows.equals(
        read_report("f", plain.write_csv().encode()).rows
    )


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("user:CostCenter", "CostCenter"),
        ("user_cost_center", "cost_center"),
        ("user:aws:odd", "aws:odd"),
        ("aws:createdBy", "aws:createdBy"),
        ("aws_created_by", "aws:created_by"),
        ("team", "team"),
        ("user:", "user:"),
    ],
)
def test_a_tag_of_the_customer_loses_its_prefix_and_one_of_aws_keeps_it(
    key: str, shown: str
) -> None:
    assert tag_key(key) == shown


def test_tags_that_would_share_a_key_are_both_kept() -> None:
    made = Month()
    made.add("Usage", "1", tags={"user:env": "prod", "env": "dev", "aws:createdBy": "root"})
    (found,) = load(legacy_csv(made)).accepted.to_dicts()
    tags = json.loads(found["tags"])
    assert sorted(tags.values()) == ["dev", "prod", "root"]
    assert len(tags) == 3


def test_a_cost_category_stands_among_the_tags() -> None:
    made = Month()
    made.add("Usage", "1")
    csv = legacy_csv(made).decode().splitlines()
    content = f"{csv[0]},costCategory/Team\n{csv[1]},Search\n".encode()
    (found,) = load(content).accepted.to_dicts()
    assert json.loads(found["tags"]) == {"cost_category:Team": "Search"}


def test_a_map_may_be_a_struct() -> None:
    made = Month()
    made.add("Usage", "1")
    frame = pl.read_parquet(io.BytesIO(aws_forms.cur2_parquet(made))).with_columns(
        pl.struct(pl.lit("prod").alias("user_env"), pl.lit(None).alias("user_team")).alias(
            "resource_tags"
        )
    )
    sink = io.BytesIO()
    frame.write_parquet(sink)
    (found,) = load(sink.getvalue()).accepted.to_dicts()
    assert found["tags"] == '{"env":"prod"}'


def test_a_map_that_cannot_be_read_rejects_its_row() -> None:
    made = Month()
    made.add("Usage", "1")
    content = aws_forms.cur2_csv(made).replace(b"{}", b"{oops")
    (bad,) = load(content).rejected
    assert "is not a JSON object" in bad.reason


def test_an_account_number_keeps_the_zeros_it_begins_with() -> None:
    made = Month()
    made.add("Usage", "1")
    frame = pl.read_parquet(io.BytesIO(aws_forms.legacy_parquet(made))).with_columns(
        pl.col("bill_payer_account_id").cast(pl.Int64)
    )
    sink = io.BytesIO()
    frame.write_parquet(sink)
    (found,) = load(sink.getvalue()).accepted.to_dicts()
    assert found["billing_account_id"] == "000000000012"


def test_an_invoice_that_is_not_final_has_no_id() -> None:
    made = Month()
    made.add("Usage", "1", InvoiceId="")
    made.add("Usage", "2", InvoiceId="EUINEU26-1")
    assert load(legacy_csv(made)).accepted["invoice_id"].to_list() == [None, "EUINEU26-1"]


texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)


@given(st.dictionaries(st.sampled_from((*NECESSARY, *OPTIONAL)), texts))
def test_whatever_stands_in_a_line_it_is_accepted_rejected_or_refused(
    values: dict[str, str],
) -> None:
    frame = pl.DataFrame({key: [values.get(key, "")] for key in (*NECESSARY, *OPTIONAL)})
    try:
        result = load(frame.write_csv().encode())
    except OpenCloudOpsError:
        return
    assert result.rows == 1
    assert add_totals(result.totals_accepted, result.totals_rejected) == result.totals_source


def test_digits_of_a_csv_are_kept_to_the_last() -> None:
    made = Month()
    made.add("Usage", "0.12345678901234567890")
    assert load(legacy_csv(made)).totals_source["USD"]["billed_cost"] == Decimal(
        "0.1234567890123456789"
    )
