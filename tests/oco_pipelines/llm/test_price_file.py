"""Prices from a file: read exactly, refused as a whole, loaded again without effect."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.llm.price_file import load_prices, read_price_file
from oco_pipelines.llm.price_store import refresh_prices
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError, InvalidInputError
from oco_warehouse.price_overrides import read_override
from oco_warehouse.price_rows import PRICES_SQL, price_table

CSV = """provider,model,effective_from,input_per_m_token,output_per_m_token,cached_input_per_m_token
openai,in-house,,0.10,0.40,
openai,in-house,2026-11-01T00:00:00+01:00,0.2,0.80,0.05
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_csv_is_loaded_with_every_digit_and_loaded_again_without_effect(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    path = write(tmp_path, "prices.csv", CSV)
    assert [load_prices(warehouse, path), load_prices(warehouse, path)] == [2, 0]
    rows = warehouse.query(
        "SELECT *, effective_from::text AS since FROM (SELECT input_per_m_token, source, "
        "cached_input_per_m_token, price_version, effective_from::text "
        "FROM oco.model_pricing ORDER BY effective_from) AS prices"
    )
    assert [row["since"] for row in rows] == ["-infinity", "2026-10-31 23:00:00+00"]
    assert [row["input_per_m_token"] for row in rows] == [Decimal("0.10"), Decimal("0.2")]
    assert [row["cached_input_per_m_token"] for row in rows] == [None, Decimal("0.05")]
    assert {row["source"] for row in rows} == {"override"}
    assert all(row["price_version"].startswith("override 20") for row in rows)


def test_counts_in_a_csv_are_read_as_numbers_and_nothing_else_is(tmp_path: Path) -> None:
    heading = "provider,model,input_per_m_token,output_per_m_token,min_context_tokens\n"
    (price,) = read_price_file(write(tmp_path, "a.csv", heading + "openai,m,1,2,200000\n"))
    assert price.min_context_tokens == 200_000
    with pytest.raises(InvalidFileError, match="min_context_tokens"):
        read_price_file(write(tmp_path, "b.csv", heading + "openai,m,1,2,many\n"))


def test_json_says_the_same_as_csv(tmp_path: Path) -> None:
    text = (
        '[{"provider": "openai", "model": "in-house", "input_per_m_token": 0.10, '
        '"output_per_m_token": 0.40}, {"provider": "openai", "model": "in-house", '
        '"effective_from": "2026-10-31T23:00:00Z", "input_per_m_token": "0.2", '
        '"output_per_m_token": 0.8, "cached_input_per_m_token": 0.05}]'
    )
    read = read_price_file(write(tmp_path, "prices.json", text))
    assert read == read_price_file(write(tmp_path, "prices.csv", CSV))


def test_a_changed_price_replaces_the_one_of_the_same_moment(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    load_prices(warehouse, write(tmp_path, "prices.csv", CSV))
    changed = write(tmp_path, "changed.csv", CSV.replace("0.40", "0.44"))
    assert load_prices(warehouse, changed) == 1


def test_a_stated_price_stands_beside_the_catalogues_and_outlives_its_refreshes(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    count = refresh_prices(warehouse)
    text = CSV.replace("in-house", "gpt-4o-mini")
    assert load_prices(warehouse, write(tmp_path, "prices.csv", text)) == 2
    assert refresh_prices(warehouse) == 0
    rows = warehouse.query(
        "SELECT source, count(*) AS rows FROM oco.model_pricing GROUP BY source ORDER BY source"
    )
    assert [(row["source"], row["rows"]) for row in rows] == [
        ("genai-prices", count),
        ("override", 2),
    ]
    found = price_table(warehouse.query(PRICES_SQL)).find(
        "openai", ["gpt-4o-mini"], datetime(2026, 10, 1, tzinfo=UTC)
    )
    assert found is not None
    price = found.at(1)
    assert (price.input, price.cached_input) == (Decimal("0.10"), Decimal("0.075"))
    assert price.tool_prices["web_search"] > 0


def test_a_fee_of_nothing_is_kept_apart_from_one_that_is_left_out(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    warehouse.execute(
        "INSERT INTO oco.model_pricing (provider, model, input_per_m_token, output_per_m_token, "
        "per_request, price_version) VALUES ('openai', 'a', 1, 1, 0.01, 't'), "
        "('openai', 'b', 1, 1, 0.01, 't'), ('openai', 'none', 1, 1, NULL, 't')"
    )
    heading = "provider,model,input_per_m_token,output_per_m_token,per_request\n"
    text = heading + "openai,a,1,1,0\nopenai,b,1,1,\n"
    assert load_prices(warehouse, write(tmp_path, "prices.csv", text)) == 2
    table = price_table(warehouse.query(PRICES_SQL))
    found = [
        table.find("openai", [model], datetime(2026, 10, 1, tzinfo=UTC))
        for model in ("a", "b", "none")
    ]
    assert [prices and prices.at(1).fee for prices in found] == [0, Decimal("0.01"), 0]


def test_tools_and_media_have_columns_of_their_own(tmp_path: Path) -> None:
    text = (
        "provider,model,input_per_m_token,output_per_m_token,tool_prices.shell,"
        "tool_prices.web_search,media_prices.image_input\nopenai,m,1,2,0.03,,5\n"
    )
    (price,) = read_price_file(write(tmp_path, "prices.csv", text))
    assert price.tool_prices == {"shell": Decimal("0.03")}
    assert price.media_prices == {"image_input": Decimal(5)}
    json_text = (
        '[{"provider": "openai", "model": "m", "input_per_m_token": 1, "output_per_m_token": 2,'
        '"tool_prices": {"shell": 0.03}, "media_prices": {"image_input": "5"}}]'
    )
    assert read_price_file(write(tmp_path, "prices.json", json_text)) == [price]


WRONG_FILES = [
    ("a.csv", "provider,model\nopenai,m\n", "line 2: input_per_m_token: Field required"),
    ("a.csv", CSV.replace("0.10", "-1"), "line 2: input_per_m_token: "),
    ("a.csv", CSV.replace("0.10", "NaN"), "line 2: input_per_m_token: "),
    ("a.csv", CSV.replace("+01:00", ""), "line 3: effective_from: "),
    ("a.csv", CSV + "openai,in-house,,1,1,\n", "line 4: the same price stands above already"),
    ("a.csv", CSV + "openai,x,,1,1,1,1\n", "line 4 has more cells than the heading"),
    ("a.csv", CSV.replace("model", "modell", 1), "line 2: model: Field required"),
    ("a.csv", "", "there is no price in it"),
    ("a.csv", CSV.splitlines()[0], "there is no price in it"),
    ("a.json", "[]", "there is no price in it"),
    ("a.csv", CSV.replace("0.10", "1e-999999"), "line 2: input_per_m_token: "),
    ("a.csv", CSV.replace("0.10", "1." + "0" * 20000), "line 2: input_per_m_token: "),
    ("a.csv", CSV.replace("cached_", "media_prices.cached_"), "line 3: media_prices.cached_"),
    ("a.json", "{}", "expected a list of prices"),
    ("a.json", "[1]", "entry 1: "),
    ("a.json", "[" * 100_000, "cannot be read"),
    ("gone.csv", "", "No such file"),
]


def test_a_wrong_file_is_refused_in_one_line_that_says_where(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    for name, text, reason in WRONG_FILES:
        path = tmp_path / name
        path.unlink(missing_ok=True)
        if name != "gone.csv":
            path.write_text(text)
        with pytest.raises(InvalidFileError) as caught:
            load_prices(warehouse, path)
        assert reason in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert warehouse.query("SELECT 1 FROM oco.model_pricing") == []


@given(st.decimals(0, 1_000_000, places=12))
def test_an_amount_keeps_its_value_through_json(amount: Decimal) -> None:
    names = '"provider": "p", "model": "m", "output_per_m_token": 0'
    text = f'{{{names}, "input_per_m_token": {amount:f}}}'
    values = json.loads(text, parse_float=Decimal)
    assert read_override(values).input_per_m_token == amount


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists))
def test_whatever_is_no_price_is_refused_and_nothing_else_happens(value: object) -> None:
    with pytest.raises(InvalidInputError):
        read_override(value)
