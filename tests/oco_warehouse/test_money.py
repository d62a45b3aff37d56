from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import (
    NANO_PER_DOLLAR,
    AmountRange,
    exact_product,
    exact_sum,
    format_usd,
    from_nano,
    json_amounts,
    parse_money,
    plain,
    to_nano,
)

amounts = st.decimals(
    min_value=Decimal("-1e12"), max_value=Decimal("1e12"), allow_nan=False, places=18
)


@given(amounts)
def test_rounding_to_nano_dollars_never_loses_money_and_costs_less_than_one_nano(
    amount: Decimal,
) -> None:
    difference = from_nano(to_nano(amount)) - amount
    assert Decimal(0) <= difference < Decimal(1) / NANO_PER_DOLLAR


@given(st.integers(min_value=-(10**24), max_value=10**24))
def test_nano_dollars_survive_the_way_to_dollars_and_back(nano: int) -> None:
    assert to_nano(from_nano(nano)) == nano


@given(st.lists(amounts, max_size=30), st.randoms())
def test_a_sum_does_not_depend_on_the_order(values: list[Decimal], random: object) -> None:
    shuffled = sorted(values, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert exact_sum(values) == exact_sum(shuffled)


def test_a_sum_keeps_the_last_digit_that_the_default_context_would_round_away() -> None:
    assert exact_sum([Decimal("1e20"), Decimal("1e-20")]) == Decimal(
        "100000000000000000000." + "0" * 19 + "1"
    )


def test_a_sum_of_the_widest_amounts_that_a_file_may_hold_does_not_round() -> None:
    wide, tiny = Decimal("1e59"), Decimal("1e-59")
    assert exact_sum([wide, tiny, -wide]) == tiny


@given(amounts, amounts)
def test_a_product_is_exact(one: Decimal, other: Decimal) -> None:
    assert Fraction(exact_product(one, other)) == Fraction(one) * Fraction(other)


@pytest.mark.parametrize("text", ["8E-7", "8e-07", " 0.0000008 "])
def test_scientific_notation_is_read_exactly(text: str) -> None:
    assert parse_money(text) == Decimal("0.0000008")


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1,5"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_money(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "unknown"),
        (Decimal(0), "$0.00"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("0.000123"), "$0.000123"),
        (Decimal(-20), "-$20.00"),
    ],
)
def test_people_see_dollars_and_an_unknown_amount_as_such(
    amount: Decimal | None, text: str
) -> None:
    assert format_usd(amount) == text


RANGES = st.sampled_from([AmountRange(9_000_000), AmountRange(10, above_zero=True)])


@given(RANGES, st.decimals())
def test_an_amount_in_range_has_few_digits_and_is_finite(
    held: AmountRange, amount: Decimal
) -> None:
    if held.holds(amount):
        assert 0 <= amount <= held.most
        assert len(plain(amount)) < 60


@given(RANGES, st.data())
def test_text_that_the_pattern_matches_is_in_range(held: AmountRange, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(held.pattern, fullmatch=True, alphabet="0123456789."))
    assert held.holds(Decimal(text))
    assert plain(Decimal(text)) == str(Decimal(text)) or "E" in str(Decimal(text))


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-Infinity", "-1", "11", "1e-21", "0e99", "0"])
def test_what_no_column_can_keep_is_out_of_range(text: str) -> None:
    assert not AmountRange(10, above_zero=True).holds(Decimal(text))


def test_json_amounts_keep_every_digit() -> None:
    amounts = {'a"b': Decimal("1E-20"), "c": Decimal("9.00E+6")}
    assert json_amounts(amounts) == '{"a\\"b": 0.00000000000000000001, "c": 9000000}'


@pytest.mark.parametrize("text", ["1_000", "\u0661\u0662", "\uff11"])
def test_numbers_that_only_python_reads_are_none(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a decimal number"):
        parse_money(text)
