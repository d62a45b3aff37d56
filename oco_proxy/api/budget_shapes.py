"""What a budget is on the API's border: as it is made, changed and answered, and what it may be."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from oco_proxy.api.fields import Label, OfScope, check_amount, told
from oco_proxy.budget.periods import check_zone
from oco_proxy.budget.rates import EVERYONE
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import AmountRange
from oco_warehouse.names import is_visible
from oco_warehouse.records import SCOPES

# Amounts stay exact in Redis' scripts below 2^53 nano-dollars.
_LIMIT_RANGE: Final = AmountRange(9_000_000)
_THRESHOLD_RANGE: Final = AmountRange(10, above_zero=True)
PeriodName = Literal["day", "week", "month", "quarter", "year", "rolling"]
_LEAST_SECONDS: Final = 60
_MOST_SECONDS: Final = 366 * 86_400
_MOST_THRESHOLDS: Final = 20
LimitUsd = Annotated[Decimal, _LIMIT_RANGE]
RollingSeconds = Annotated[int, told(minimum=_LEAST_SECONDS, maximum=_MOST_SECONDS)]
Threshold = Annotated[Decimal, _THRESHOLD_RANGE]
Thresholds = Annotated[list[Threshold], told(max_items=_MOST_THRESHOLDS)]


class NewBudget(OfScope, kw_only=True, forbid_unknown_fields=True):
    """A budget to be made."""

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
    if not is_visible(scope + entity_id):
        raise InvalidInputError("scope and entity_id must have visible characters only")


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
    if len(thresholds) > _MOST_THRESHOLDS:
        raise InvalidInputError(f"thresholds are at most {_MOST_THRESHOLDS} parts of the limit")
    for threshold in thresholds:
        check_amount("each of thresholds", threshold, _THRESHOLD_RANGE)


def check_new(data: NewBudget) -> None:
    """Whether a budget can be made.

    Raises:
        InvalidInputError: when not, naming the member.
    """
    check_scope(data.scope, data.entity_id)
    if data.entity_id == EVERYONE:
        raise InvalidInputError(
            f"entity_id must name one {data.scope}: {EVERYONE} is everyone in rate limits and "
            "routing policies, and a budget limits a single entity"
        )
    check_text("name", data.name)
    check_limit(data.limit_usd)
    check_thresholds(data.thresholds)
    check_zone(data.time_zone)
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
    check_amount("limit_usd", limit, _LIMIT_RANGE)
