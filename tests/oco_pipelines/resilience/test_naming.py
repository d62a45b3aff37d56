"""Names of Velero objects."""

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.resilience.naming import backup_name, restore_name, slug

DNS = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@given(st.text(min_size=1, max_size=300), TIMES, st.integers(1, 99))
def test_backup_name_is_a_label_whatever_the_policy_is_called(
    policy: str, due_at: datetime, attempt: int
) -> None:
    name = backup_name(policy, due_at, attempt)
    assert DNS.fullmatch(name) and len(name) <= 63
    assert name == backup_name(policy, due_at, attempt)


@given(st.text(min_size=1, max_size=90), st.text(min_size=1, max_size=90))
def test_different_policies_never_share_a_name(one: str, other: str) -> None:
    due_at = datetime(2026, 1, 1, tzinfo=UTC)
    assert (one == other) == (backup_name(one, due_at) == backup_name(other, due_at))


@given(TIMES, st.integers(1, 10**6))
def test_different_due_times_never_share_a_name(due_at: datetime, seconds: int) -> None:
    assert backup_name("shop", due_at) != backup_name("shop", due_at + timedelta(seconds=seconds))


def test_name_does_not_depend_on_the_zone_of_the_due_time() -> None:
    due_at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert backup_name("shop", due_at) == "shop-20260101120000"
    assert backup_name("shop", due_at.astimezone(timezone(timedelta(hours=5)))) == backup_name(
        "shop", due_at
    )
    assert backup_name("shop", due_at, 2) == "shop-20260101120000-2"


def test_plain_names_stay_as_they_are_and_changed_ones_carry_a_hash() -> None:
    assert slug("shop-a") == "shop-a"
    assert slug("Shop A") != slug("shop-a")
    assert restore_name("ab-12") == "oco-restore-ab-12"
