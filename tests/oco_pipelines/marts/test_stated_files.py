"""Files of rules and invoices: whatever is in them, they are read whole or refused in one line."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.showback.invoice_file import COLUMNS, Invoice, read_invoice_file
from oco_pipelines.showback.rule_file import read_rule_file
from oco_warehouse.allocation_rules import read_rules
from oco_warehouse.errors import InvalidFileError

NAMES = st.text("abcäß -_.:/", min_size=1, max_size=12)
TEXTS = st.lists(NAMES, min_size=1, max_size=3)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "provider": TEXTS | NAMES,
        "service": TEXTS,
        "charge_category": st.sampled_from(["Usage", ["Tax", "Credit"]]),
        "tags": st.dictionaries(NAMES, TEXTS, min_size=1, max_size=2),
    },
)
WEIGHTS = st.decimals("0.00000000000000000001", 10**9, places=20).map(lambda w: f"{w:f}")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["name", "match", "target", "priority", "tags"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stated")


def test_a_rule_is_read_as_it_was_written(folder: Path) -> None:
    @given(MATCHES, st.dictionaries(NAMES, WEIGHTS, min_size=1, max_size=4), st.dates())
    def holds(match: dict[str, Any], weights: dict[str, str], day: date) -> None:
        entry = {
            "name": "r",
            "priority": 3,
            "method": "proportional",
            "match": match,
            "target": {"weights": weights},
            "valid_from": day,
        }
        path = folder / "rules.yaml"
        path.write_text(yaml.safe_dump({"rules": [entry]}, allow_unicode=True))
        (rule,) = read_rule_file(path)
        assert rule.target.weights == {team: Decimal(w) for team, w in weights.items()}
        assert rule.match_json().keys() == match.keys()
        assert rule.valid_from == day
        # What the warehouse keeps says the same again.
        stored = entry | {"match": rule.match_json(), "target": rule.target_json()}
        assert read_rules([stored]) == [rule]

    holds()


def test_any_yaml_is_read_or_refused_in_one_line(folder: Path) -> None:
    @given(ANYTHING, st.text(max_size=40), st.booleans())
    def holds(content: Any, text: str, plain: bool) -> None:
        path = folder / "any.yaml"
        written = text if plain else yaml.safe_dump({"rules": [content]})
        path.write_bytes(written.encode(errors="surrogatepass"))
        try:
            read_rule_file(path)
        except InvalidFileError as error:
            assert str(path) in str(error)  # noqa: PT017 - either outcome is right
            assert "\n" not in str(error)  # noqa: PT017

    holds()


def test_an_invoice_is_read_as_it_was_written(folder: Path) -> None:
    ids = st.text("aB1-_", min_size=1, max_size=10)
    totals = st.decimals(-(10**15), 10**15, places=4)

    @given(ids, ids, totals, st.dates(date(2000, 1, 1), date(2100, 1, 1)))
    def holds(account: str, number: str, total: Decimal, day: date) -> None:
        path = folder / "invoices.csv"
        path.write_text(
            f"{','.join(COLUMNS)}\nAWS,{account},{number},{day:%Y-%m-%d},EUR,{total:f}\n"
        )
        assert read_invoice_file(path) == [Invoice("aws", account, number, day, "EUR", total)]

    holds()


def test_any_text_is_read_as_invoices_or_refused(folder: Path) -> None:
    @given(st.text(max_size=60), st.booleans())
    def holds(text: str, with_heading: bool) -> None:
        path = folder / "any.csv"
        heading = f"{','.join(COLUMNS)}\n" if with_heading else ""
        path.write_bytes((heading + text).encode(errors="surrogatepass"))
        try:
            read_invoice_file(path)
        except InvalidFileError as error:
            assert str(path) in str(error)  # noqa: PT017 - either outcome is right
            assert "\n" not in str(error)  # noqa: PT017

    holds()
