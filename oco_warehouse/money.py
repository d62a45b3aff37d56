"""Money rules, in one place.

In PostgreSQL money is NUMERIC, in Python `Decimal`, in Redis an integer of nano-dollars
(1 USD = 10^9 nano). A float never becomes money. Rounding happens only where money goes to
nano-dollars, and then always upwards, so that a reservation is never smaller than its cost.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation, localcontext
from typing import Final

from oco_warehouse.errors import InvalidInputError

NANO_PER_DOLLAR: Final = 1_000_000_000
_NANO: Final = Decimal(NANO_PER_DOLLAR)
ZERO: Final = Decimal(0)

# A file may hold amounts of 60 digits on either side of the point, and a product has both factors'
# digits: wide enough for all of that, so that no step below rounds.
_EXACT: Final = Context(prec=300, rounding=ROUND_CEILING)


_MOST_DECIMALS: Final = 20


@dataclass(frozen=True, slots=True)
class AmountRange:
    """What an amount that comes in may be, beside its type: `Annotated[Decimal, AmountRange(…)]`.

    A decimal may have any number of digits and any exponent; PostgreSQL's numeric may not.

    Attributes:
        most: largest amount, a digit and zeros.
        above_zero: whether 0 is too little.
    """

    most: int
    above_zero: bool = False

    def holds(self, amount: Decimal) -> bool:
        """Whether the amount is in the range and can be kept with every digit."""
        exponent = amount.as_tuple().exponent
        return (
            isinstance(exponent, int)  # a letter for what is no finite number
            and -_MOST_DECIMALS <= exponent <= _MOST_DECIMALS
            and 0 <= amount <= self.most
            and not (self.above_zero and amount == 0)
        )

    @property
    def rule(self) -> str:
        """In words, after "must be"."""
        least = "above 0 and at most" if self.above_zero else "from 0 to"
        return f"{least} {self.most}, with at most {_MOST_DECIMALS} decimals"

    @property
    def pattern(self) -> str:
        """As a regular expression for plain decimal text; it matches nothing that is refused."""
        first, zeros = str(self.most)[0], len(str(self.most)) - 1
        head = "" if first == "1" else f"[0-{int(first) - 1}]?"
        below = rf"{head}[0-9]{{1,{zeros}}}(\.[0-9]{{1,{_MOST_DECIMALS}}})?"
        full = rf"{self.most}(\.0{{1,{_MOST_DECIMALS}}})?"
        some = "(?=.*[1-9])" if self.above_zero else ""
        return f"^{some}({below}|{full})$"


def parse_money(text: str) -> Decimal:
    """Read a decimal number, plain or in scientific notation.

    Raises:
        InvalidInputError: when the text is not a finite decimal number.
    """
    text = text.strip()
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise InvalidInputError(f"{text!r} is not a decimal number") from None
    if not text.isascii() or "_" in text:  # Python reads 1_000 and the digits of every script
        raise InvalidInputError(f"{text!r} is not a decimal number")
    if not amount.is_finite():
        raise InvalidInputError(f"{text!r} is not a finite number")
    return amount


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Add without rounding, whatever the caller's decimal context."""
    total = ZERO
    with localcontext(_EXACT):
        for amount in amounts:
            total += amount
    return total


def exact_product(one: Decimal, other: Decimal) -> Decimal:
    """Multiply without rounding, whatever the caller's decimal context."""
    return _EXACT.multiply(one, other)


def to_nano(amount: Decimal) -> int:
    """Dollars to integer nano-dollars, rounded up.

    Raises:
        InvalidInputError: when the amount is not finite.
    """
    if not amount.is_finite():
        raise InvalidInputError(f"{amount} is not an amount of money")
    return int(_EXACT.to_integral_value(_EXACT.multiply(amount, _NANO)))


def from_nano(nano: int) -> Decimal:
    """Integer nano-dollars to dollars, exactly."""
    with localcontext(_EXACT):
        return Decimal(nano) / NANO_PER_DOLLAR


def plain(amount: Decimal) -> str:
    """Decimal text without an exponent, every digit kept."""
    return format(amount, "f")


def json_amounts(amounts: Mapping[str, Decimal]) -> str:
    """A JSON object of plain numbers; a float on the way would change them."""
    return f"{{{', '.join(f'{json.dumps(name)}: {plain(a)}' for name, a in amounts.items())}}}"


def format_usd(amount: Decimal | None) -> str:
    """For people: two decimals from a cent upwards, six below; None is unknown."""
    if amount is None:
        return "unknown"
    digits = 2 if abs(amount) >= Decimal("0.01") or amount == ZERO else 6
    return f"{'-' if amount < 0 else ''}${abs(amount):,.{digits}f}"
