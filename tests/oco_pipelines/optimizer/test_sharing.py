"""A drop of the bill counts once, whoever claims it."""

from datetime import date
from decimal import Decimal

from oco_pipelines.optimizer.sharing import Drop, shared_out

MACHINE, DISK = ("aws", "111", "i-1"), ("aws", "111", "vol-1")
JANUARY, MARCH = date(2026, 1, 10), date(2026, 3, 10)


def drop(realised: str, claimed: str, *keys: tuple[str, str, str], **more: date) -> Drop:
    claims = dict.fromkeys(keys or (MACHINE,), Decimal(100))
    day = more.get("decided", JANUARY)
    return Drop(Decimal(realised), Decimal(claimed), claims, day, more.get("realised_on"))


def test_one_that_claims_alone_has_the_whole_drop() -> None:
    assert shared_out([drop("80", "50"), drop("-3", "5", DISK)]) == [Decimal(80), Decimal(-3)]


def test_a_drop_that_only_the_first_one_made_is_not_told_of_the_second() -> None:
    assert shared_out([drop("50", "50"), drop("50", "35")]) == [Decimal(50), Decimal(0)]


def test_parts_add_up_to_the_drop() -> None:
    assert shared_out([drop("90", "50"), drop("90", "35")]) == [Decimal(50), Decimal(40)]


def test_what_is_in_the_other_ones_before_is_not_taken_from_it() -> None:
    first = drop("85", "50", realised_on=date(2026, 1, 25))
    assert shared_out([first, drop("35", "35", decided=MARCH)]) == [Decimal(50), Decimal(35)]


def test_what_came_later_is_taken_from_what_was_realised_before() -> None:
    later = drop("50", "50", decided=MARCH)
    earlier = drop("85", "35", realised_on=date(2026, 1, 25))
    assert shared_out([later, earlier]) == [Decimal(50), Decimal(35)]


def test_of_a_claim_on_two_resources_only_the_common_one_s_part_is_taken() -> None:
    assert shared_out([drop("200", "200", MACHINE, DISK), drop("100", "40")]) == [
        Decimal(200),
        Decimal(0),
    ]
