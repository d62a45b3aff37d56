import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.focus_values import (
    provider_slug,
    read_amount,
    read_instant,
    read_object,
)
from oco_warehouse.errors import InvalidInputError

storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
amounts = st.decimals(min_value=-(10**15), max_value=10**15, places=15, allow_nan=False)


@given(amounts)
def test_an_amount_keeps_every_digit_whether_plain_or_scientific(amount: Decimal) -> None:
    assert Decimal(read_amount(f"{amount:f}")) == amount
    assert Decimal(read_amount(f"{amount:E}")) == amount


@given(amounts)
def test_equal_amounts_read_alike_however_they_are_written(amount: Decimal) -> None:
    assert read_amount(f"{amount:f}") == read_amount(f"{amount:E}") == read_amount(f" {amount:f}00")


@pytest.mark.parametrize("text", ["", "n/a", "1,5", "NaN", "inf", "1e999", "0x10", "$5"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_amount(text)


@given(
    st.datetimes(
        min_value=datetime(2000, 1, 2), max_value=datetime(2099, 12, 30), timezones=st.just(UTC)
    )
)
def test_an_instant_survives_iso_8601_with_and_without_its_zone(moment: datetime) -> None:
    naive = moment.replace(tzinfo=None)
    assert read_instant(moment.isoformat()) == moment
    assert read_instant(naive.isoformat(sep=" ")) == moment
    assert read_instant(f"{naive.isoformat()}Z") == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-01", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2026-09-01T02:00:00+02:00", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2026-09-01 00:00:00 UTC", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2026-08-31T19:30:00-0430", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2026-09-01T00:00:00.123456789Z", datetime(2026, 9, 1, 0, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_zones_and_fractions_are_read_as_utc(text: str, expected: datetime) -> None:
    assert read_instant(text) == expected


@pytest.mark.parametrize(
    "text",
    ["-0001-09-01", "0000-01-01", "1999-12-31", "2100-01-01", "2026-02-30", "09/01/2026", "soon"],
)
def test_a_negative_or_impossible_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_instant(text)


@given(st.dictionaries(storable, storable, max_size=5))
def test_an_object_reads_alike_as_json_and_as_pairs(tags: dict[str, str]) -> None:
    pairs = [{"key": key, "value": value} for key, value in tags.items()]
    assert read_object(json.dumps(tags)) == read_object(json.dumps(pairs))
    assert json.loads(read_object(json.dumps(tags))) == tags


def test_an_object_without_its_braces_is_read_as_azure_writes_it() -> None:
    assert read_object('"team": "search","env": "prod"') == '{"env":"prod","team":"search"}'


@pytest.mark.parametrize(
    "text",
    ["team=search", "[1, 2]", '"team"', "{", '{"a": "\\u0000"}', '{"\\udfff": ""}'],
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        read_object(text)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Amazon Web Services, Inc.", "aws"),
        ("AWS", "aws"),
        ("Microsoft", "azure"),
        ("Google Cloud", "gcp"),
        ("Oracle", "oci"),
        ("Laws & Sons", "laws-sons"),
    ],
)
def test_a_provider_has_a_short_name(name: str, slug: str) -> None:
    assert provider_slug(name) == slug
