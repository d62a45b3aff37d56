"""The forms in which AWS would write the month of `aws_month`."""

import csv
import io
import json
import re
from collections.abc import Collection
from pathlib import Path
from tempfile import NamedTemporaryFile

import polars as pl

from oco_pipelines.ingestion.aws_file import read_aws
from oco_pipelines.ingestion.focus_reader import SourceTable
from tests.oco_pipelines.ingestion.aws_month import SPELLINGS, Line, Month

_AMOUNTS = re.compile(r"(Cost|Amount|Rate|Fee|BillingPeriod|ToDate|Commitment)$")
_DATES = re.compile(r"(Start|End)Date$")


def read_report(name: str, content: bytes, ignore: Collection[str] = ()) -> SourceTable:
    """What is read of a file of that content, as one table."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        (table,) = read_aws(name, Path(file.name), ignore)
    return table


def legacy_csv(made: Month) -> bytes:
    """As a legacy report: a column a tag."""
    keys = sorted({key for tags in made.tags for key in tags})
    rows = [
        line | {f"resourceTags/{key}": value for key, value in tags.items()}
        for line, tags in zip(made.lines, made.tags, strict=True)
    ]
    names = [name for name in SPELLINGS if any(name in line for line in made.lines)]
    return _csv([*names, *(f"resourceTags/{key}" for key in keys)], rows)


def legacy_parquet(made: Month) -> bytes:
    """The same as Athena reads it: other names, numbers and timestamps, keys in snake case."""
    columns = _typed(made)
    for key in sorted({key for tags in made.tags for key in tags}):
        name = "resource_tags_" + snake(key)
        columns[name] = pl.Series([tags.get(key) for tags in made.tags], dtype=pl.String)
    return _parquet(pl.DataFrame(columns))


def cur2_csv(made: Month) -> bytes:
    """As CUR 2.0: maps as JSON, and names of accounts."""
    rows = []
    for line, tags in zip(made.lines, made.tags, strict=True):
        row = {SPELLINGS[name]: value for name, value in line.items()}
        name = row.pop("product_product_name", "")
        maps = {
            "product": {"product_name": name, "vcpu": "2"} if name else {},
            "resource_tags": {snake(key): value for key, value in tags.items()},
            "cost_category": {},
            "discount": {"total": 0.5},
        }
        rows.append(
            row | {key: json.dumps(pairs) for key, pairs in maps.items()} | _account_names()
        )
    return _csv(list(dict.fromkeys(name for row in rows for name in row)), rows)


def cur2_parquet(made: Month) -> bytes:
    """As CUR 2.0 in Parquet, where a map is a list of key and value."""
    columns = _typed(made)
    names = columns.pop("product_product_name")
    columns["product"] = pl.Series(
        [_map({"product_name": name, "vcpu": "2"}) if name else [] for name in names]
    )
    columns["resource_tags"] = pl.Series(
        [_map({snake(key): value for key, value in tags.items()}) for tags in made.tags],
        dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.String})),
    )
    return _parquet(
        pl.DataFrame(columns).with_columns(
            pl.lit(value).alias(key) for key, value in _account_names().items()
        )
    )


FORMS = {
    "legacy CSV": legacy_csv,
    "legacy Parquet": legacy_parquet,
    "CUR 2.0 CSV": cur2_csv,
    "CUR 2.0 Parquet": cur2_parquet,
}


def snake(key: str) -> str:
    """`user:CostCenter` → `user_cost_center`."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?=[A-Z])", "_", key).lower()).strip("_")


def _account_names() -> dict[str, str]:
    return {
        "bill_payer_account_name": "Example Holding",
        "line_item_usage_account_name": "Shop",
    }


def _map(pairs: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def _typed(made: Month) -> dict[str, pl.Series]:
    columns = {}
    for name, spelt in SPELLINGS.items():
        texts = [line.get(name) or None for line in made.lines]
        if not any(texts):
            continue
        if _DATES.search(name):
            columns[spelt] = pl.Series(texts, dtype=pl.String).str.to_datetime(
                "%Y-%m-%dT%H:%M:%SZ", time_unit="ms"
            )
        elif _AMOUNTS.search(name) and not name.startswith("product"):
            columns[spelt] = pl.Series(
                [None if text is None else float(text) for text in texts], dtype=pl.Float64
            )
        else:
            columns[spelt] = pl.Series(texts, dtype=pl.String)
    return columns


def _csv(names: list[str], rows: list[Line]) -> bytes:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()


def _parquet(frame: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.write_parquet(sink)
    return sink.getvalue()
