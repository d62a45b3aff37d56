"""A month of one scope from the Query API, whole: what was billed and what each charge costs.

An answer has two groupings, and a charge more than two marks. So the first questions are what each
day cost, and which types of charge and ways of pricing that was; then each of these slices is asked
for by resource (or by subscription, where the scope has several) and meter category. Each answer is
the control total of the next: where they differ, a page was lost or doubled, or the month moved
meanwhile, and all is asked for again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

import polars as pl

from oco_pipelines.ingestion.azure_charges import Dataset
from oco_pipelines.ingestion.azure_columns import Variant
from oco_pipelines.ingestion.azure_export import to_focus
from oco_pipelines.ingestion.azure_pair import combine
from oco_pipelines.ingestion.azure_query_answer import AnswerRow, Question, question
from oco_pipelines.ingestion.azure_query_client import CostQuery
from oco_warehouse.cloud_accounts.azure_scope import Scope, has_resources
from oco_warehouse.errors import UpstreamError
from oco_warehouse.money import exact_sum

KINDS: Final = ("ChargeType", "PricingModel")
# Azure groups by resource below a subscription only.
OF_RESOURCES: Final = ("ResourceId", "MeterCategory")
OF_SUBSCRIPTIONS: Final = ("SubscriptionId", "MeterCategory")
ATTEMPTS: Final = 3
# Azure adds floats, so that its sums and the sum of its rows differ in their last digits: by so
# much at most, and by this part of what was added.
_TOLERANCE: Final = Decimal("0.000001")
_RELATIVE: Final = Decimal("0.000000001")

Sums = dict[tuple[date, str], Decimal]


class Slice(NamedTuple):
    """What one question is about; an empty word is asked for as no condition."""

    charge_type: str
    pricing_model: str

    @property
    def only(self) -> dict[str, str]:
        """The conditions of the question."""
        return {name: word for name, word in zip(KINDS, self, strict=True) if word}


class DayCharge(NamedTuple):
    """What the use of one kind of meter by one resource, or one subscription, cost on a day."""

    day: date
    currency: str
    charge_type: str
    pricing_model: str
    whose: str
    category: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class QueriedMonth:
    """Both views of the money of a month, in a fixed order."""

    actual: Sequence[DayCharge]
    amortized: Sequence[DayCharge]


def read_month(query: CostQuery, first: date, last: date) -> QueriedMonth:
    """The costs of the days from `first` to `last`, both included.

    Raises:
        UpstreamError: when Azure's answers still contradict one another after ATTEMPTS readings,
            and as `CostQuery.ask` raises.
    """
    return QueriedMonth(
        _read(query, "ActualCost", first, last), _read(query, "AmortizedCost", first, last)
    )


def to_charges(month: QueriedMonth, scope: Scope) -> pl.DataFrame:
    """Rows of FOCUS, by the rules of Azure's exports; no rows where the month has none.

    Args:
        month: as read.
        scope: that was asked; says whose the charges are.

    Raises:
        InvalidInputError: when rows cannot be of the question that they answer.
    """
    return combine(
        _focus(month.actual, "actual", scope), _focus(month.amortized, "amortized", scope)
    )


def slices(control: Iterable[AnswerRow]) -> list[Slice]:
    """What has to be asked for so that every row of the control totals is in exactly one answer.

    A condition on an empty word is none that Azure documents: a type of charge of which some rows
    have no way of pricing is asked for as one, and all is asked for as one where some rows have no
    type.
    """
    found: dict[str, set[str]] = {}
    for row in control:
        charge_type, model = row.groups
        found.setdefault(charge_type, set()).add(model)
    if "" in found:
        return [Slice("", "")]
    return [
        Slice(charge_type, model)
        for charge_type, models in sorted(found.items())
        for model in (sorted(models) if "" not in models else [""])
    ]


def settle(rows: Sequence[AnswerRow], control: Sums) -> list[AnswerRow] | None:
    """The rows that add up to the control totals of each day; None when they do not.

    A page that was delivered twice has the same rows again. Equal rows are taken as two only where
    the totals say so.
    """
    for candidate in (rows, list(dict.fromkeys(rows))):
        if _agree(_sums(candidate), control, _sums(candidate, absolute=True)):
            return list(candidate)
    return None


def _read(query: CostQuery, kind: Question, first: date, last: date) -> list[DayCharge]:
    for attempt in range(1, ATTEMPTS + 1):
        charges = _read_once(query, kind, first, last)
        if not isinstance(charges, str):
            return charges
        query.log(
            f"{query.scope}: the {kind} rows of {charges} do not add up to Azure's own total "
            f"(reading {attempt} of {ATTEMPTS})"
        )
    raise UpstreamError(
        f"{query.scope}: the {kind} rows from {first} to {last} do not add up to Azure's own total "
        f"in {ATTEMPTS} readings; nothing was changed, try again later"
    )


def _read_once(query: CostQuery, kind: Question, first: date, last: date) -> list[DayCharge] | str:
    """The charges in order; or the name of the answer that is not what its total says."""
    total = _sums(query.ask(question(kind, first, last, ()), ()))
    control = settle(query.ask(question(kind, first, last, KINDS), KINDS), total)
    if control is None:
        return "all types of charge"
    marks = OF_RESOURCES if has_resources(query.scope) else OF_SUBSCRIPTIONS
    charges: list[DayCharge] = []
    for part in slices(control):
        rows = query.ask(question(kind, first, last, marks, part.only), marks)
        right = settle(rows, _sums(row for row in control if _is_of(row, part)))
        if right is None:
            return " ".join(filter(None, part)) or "all charges"
        charges += _added(right, part)
    return sorted(charges)


def _is_of(row: AnswerRow, part: Slice) -> bool:
    return all(word in {"", said} for word, said in zip(part, row.groups, strict=True))


def _sums(rows: Iterable[AnswerRow], *, absolute: bool = False) -> Sums:
    amounts: dict[tuple[date, str], list[Decimal]] = {}
    for row in rows:
        amount = row.amount.copy_abs() if absolute else row.amount
        amounts.setdefault((row.day, row.currency), []).append(amount)
    return {key: exact_sum(values) for key, values in amounts.items()}


def _agree(sums: Sums, control: Sums, sizes: Sums) -> bool:
    none = Decimal(0)
    return all(
        (sums.get(key, none) - control.get(key, none)).copy_abs()
        <= _TOLERANCE + _RELATIVE * sizes.get(key, none)
        for key in sums.keys() | control.keys()
    )


def _added(rows: Iterable[AnswerRow], part: Slice) -> list[DayCharge]:
    """One charge for each combination that cost something, however Azure cut its answer."""
    amounts: dict[tuple[date, str, tuple[str, ...]], list[Decimal]] = {}
    for row in rows:
        amounts.setdefault((row.day, row.currency, row.groups), []).append(row.amount)
    added = [
        DayCharge(day, currency, *part, whose, category, exact_sum(values))
        for (day, currency, (whose, category)), values in amounts.items()
    ]
    # No total tells whether a row without money was lost.
    return [charge for charge in added if charge.amount]


def _focus(charges: Sequence[DayCharge], dataset: Dataset, scope: Scope) -> pl.DataFrame:
    by_resource = has_resources(scope.path)
    columns = {
        "date": [charge.day.isoformat() for charge in charges],
        "currency": [charge.currency for charge in charges],
        "charge_type": [charge.charge_type for charge in charges],
        "pricing_model": [charge.pricing_model for charge in charges],
        "resource": [charge.whose if by_resource else "" for charge in charges],
        "subscription": [
            _subscription(charge.whose, scope) if by_resource else charge.whose
            for charge in charges
        ],
        "meter_category": [charge.category for charge in charges],
        # What a charge is for, as far as an answer says it.
        "product": [charge.category for charge in charges],
        "cost": [f"{charge.amount:f}" for charge in charges],
    }
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    spelt = {field: (field,) for field in columns}
    return to_focus(frame, Variant("EA", spelt, (), billing_account=scope.billing_account), dataset)


def _subscription(resource: str, scope: Scope) -> str:
    parts = resource.strip("/").split("/")
    if len(parts) > 1 and parts[0].lower() == "subscriptions":
        return parts[1]
    return scope.subscription or ""
