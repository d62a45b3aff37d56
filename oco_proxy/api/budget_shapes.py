"""What a budget is on the API's border: as it is made, changed and answered, and what it may be."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from oco_proxy.api.fields import Label, Name, Scope, told
from oco_proxy.budget.periods import zone
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.records import SCOPES

# Amounts stay exact in Redis' scripts below 2^53 nano-dollars.
MAX_LIMIT_USD: Final = Decimal(9_000_000)
PeriodName = Literal["day", "week", "month", "quarter", "year", "rolling"]
_LEAST_SECONDS: Final = 60
_MOST_SECONDS: Final = 366 * 86_400
_MOST_THRESHOLDS: Final = 20
LimitUsd = Annotated[Decimal, told(minimum=0, maximum=float(MAX_LIMIT_USD))]
RollingSeconds = Annotated[int, told(minimum=_LEAST_SECONDS, maximum=_MOST_SECONDS)]
Threshold = Annotated[Decimal, told(exclusive_minimum=0, maximum=10)]
Thresholds = Annotated[list[Threshold], told(max_items=_MOST_THRESHOLDS)]


class NewBudget(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A budget to be made."""

    scope: Scope
    entity_id: Name
    limit_usd: LimitUsd
    name: Label = ""
    period: PeriodName = "month"
    rolling_seconds: RollingSeconds | None = None
    time_zone: str = "UTC"
    enforcement: Literal["hard", "soft"] = "hard"
    thresholds: Thresholds = msgspec.field(
        default_factory=lambda: [Decimal("0.5"), Decimal("0.8"), Decimal(1)]
    )


class BudgetChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What may change of a budget; its scope and period may not."""

    limit_usd: LimitUsd | msgspec.UnsetType = msgspec.UNSET
    name: Label | msgspec.UnsetType = msgspec.UNSET
    enforcement: Literal["hard", "soft"] | msgspec.UnsetType = msgspec.UNSET
    thresholds: Thresholds | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class Budget(msgspec.Struct, kw_only=True):
    """A budget as it is answered."""

    id: str
    scope: str
    entity_id: str
    name: str
    limit_usd: Decimal
    spent_usd: Decimal
    period: PeriodName
    rolling_seconds: int | None
    time_zone: str
    enforcement: Literal["hard", "soft"]
    thresholds: list[Decimal]
    period_start: datetime | None
    period_end: datetime | None
    version: int
    enabled: bool
    created_at: datetime
    updated_at: datetime


class Budgets(msgspec.Struct):
    """One page of them."""

    items: list[Budget]
    next_cursor: str | None


def check_scope(scope: str, entity_id: str) -> None:
    """Whether a scope and an entity of it can be limited.

    Raises:
        InvalidInputError: when not.
    """
    tag = scope.startswith("tag:") and len(scope) > len("tag:")
    if scope not in SCOPES and not tag:
        raise InvalidInputError(f"scope must be one of {', '.join(SCOPES)} or tag:NAME")
    check_text("scope", scope)
    check_text("entity_id", entity_id)
    if not entity_id:
        raise InvalidInputError("entity_id must not be empty")


def check_text(name: str, value: str) -> None:
    """Whether a text can be kept.

    Raises:
        InvalidInputError: when not.
    """
    if "\0" in value or len(value) > 200:
        raise InvalidInputError(f"{name} must be at most 200 characters without NUL")


def check_thresholds(thresholds: list[Decimal]) -> None:
    """Whether alerts can be raised at these parts of a limit.

    Raises:
        InvalidInputError: when not.
    """
    if len(thresholds) > _MOST_THRESHOLDS or not all(
        t.is_finite() and 0 < t <= 10 for t in thresholds
    ):
        raise InvalidInputError(
            "thresholds are at most 20 parts of the limit, as in [0.5, 0.8, 1.0]"
        )


def check_new(data: NewBudget) -> None:
    """Whether a budget can be made.

    Raises:
        InvalidInputError: when not, naming the member.
    """
    check_scope(data.scope, data.entity_id)
    check_text("name", data.name)
    check_limit(data.limit_usd)
    check_thresholds(data.thresholds)
    zone(data.time_zone)
    if (data.period == "rolling") != (data.rolling_seconds is not None):
        raise InvalidInputError("rolling_seconds goes with the period rolling, and only with it")
    if data.rolling_seconds is not None and not (
        _LEAST_SECONDS <= data.rolling_seconds <= _MOST_SECONDS
    ):
        raise InvalidInputError("rolling_seconds must be from a minute to a year")


def check_limit(limit: Decimal) -> None:
    """Whether an amount can be a limit.

    Raises:
        InvalidInputError: when not.
    """
    if not limit.is_finite() or not 0 <= limit <= MAX_LIMIT_USD:
        raise InvalidInputError(f"limit_usd must be from 0 to {MAX_LIMIT_USD}")
