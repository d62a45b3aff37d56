"""Figures that a few wild values do not move: the median and what it says about the spread.

Both take `Decimal` or `float` and give the same back. LLM insights and cloud trends stand on them.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

Number = TypeVar("Number", Decimal, float)


def median(values: Sequence[Number]) -> Number:
    """The middle value, or the mean of the two middle ones.

    Raises:
        ValueError: when there is no value.
    """
    if not values:
        raise ValueError("a median needs a value")
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def deviation(values: Sequence[Number], middle: Number) -> Number:
    """An estimate of the standard deviation: 1.4826 × the median distance from `middle` (MAD).

    The factor makes it that of a normal distribution.

    Raises:
        ValueError: when there is no value.
    """
    factor = type(middle)("1.4826")
    return median([abs(value - middle) for value in values]) * factor
