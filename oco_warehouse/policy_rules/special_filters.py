"""Reads filters of age, metrics and reductions, and the conditions that Cloud Custodian lacks."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal, cast

from oco_warehouse.errors import InvalidRuleError
from oco_warehouse.policy_rules import grammar, reading
from oco_warehouse.policy_rules.filters import (
    Age,
    Comparison,
    Key,
    Measure,
    MeasureFilter,
    Metrics,
    ModelAllowList,
    Reduce,
    SortBy,
    ValueFilter,
)
from oco_warehouse.policy_rules.keys import read_key
from oco_warehouse.policy_rules.reading import shown

HOUR: Final = 3600
DAY: Final = 24 * HOUR
MOST_DAYS: Final = 366
_STATISTICS: Final = ("Average", "Maximum", "Sum")
_MEASURE_TYPES: Final = {
    "cost": "cost",
    "spend-change": "spend_change_pct",
    "untagged-share": "untagged_spend_share",
    "unpriced-share": "unpriced_share",
}
_MEASURE_DAYS: Final = {"spend_change_pct": 7}
# Beyond these a condition holds always or never.
_RANGES: Final = {
    "cost": (Decimal(0), Decimal(10) ** 15, "dollars from 0 on"),
    "spend_change_pct": (Decimal(-100), Decimal(10) ** 15, "percent from -100 on"),
    **dict.fromkeys(
        ("untagged_spend_share", "unpriced_share"),
        (Decimal(0), Decimal(1), "a share from 0 to 1, as 0.2 of 20 %"),
    ),
}
_SORTINGS: Final = ("string", "number", "date")
_CONDITIONS: Final = {
    "budget-breached": (grammar.BUDGET, grammar.COST, grammar.LLM_USAGE),
    "dr-covered": (grammar.RECOVERY_POINT,),
    "rpo-breached": (grammar.RECOVERY_POINT,),
}
MEASURE_TYPES: Final = tuple(_MEASURE_TYPES)
CONDITION_TYPES: Final = tuple(_CONDITIONS)


def comparison(entry: Mapping[str, Any], name: str, where: str, default: str) -> Comparison:
    """An op that compares two figures.

    Raises:
        InvalidRuleError: when it is another one.
    """
    known = [word for word, op in grammar.OPS.items() if op in grammar.COMPARISONS]
    word = reading.one_of(entry, name, where, known, default)
    return cast("Comparison", grammar.OPS[word])


def read_age(entry: Mapping[str, Any], where: str, resources: Sequence[str]) -> Age:
    """`age`, `image-age`, `instance-age` or `instance-uptime`.

    Raises:
        InvalidRuleError: when a kind of resource has no such filter.
    """
    kind = entry["type"]
    reading.known_members(entry, where, ("type", "op", "days", "hours", "minutes"))
    dates = {grammar.AGE_DATES.get((resource, kind)) for resource in resources}
    if len(dates) > 1:
        raise InvalidRuleError(
            f"{where}.type",
            f"{kind} reads other dates of each of {', '.join(resources)}; write one "
            "policy for each",
        )
    (date,) = dates
    if date is None:
        if kind != "age":
            raise InvalidRuleError(f"{where}.type", f"{resources[0]} has no filter {kind}")
        date = "facts"
    spans = {"days": DAY, "hours": HOUR, "minutes": 60}
    seconds = sum(
        unit * reading.number(entry, name, where, least=0, most=365_000, default=0)
        for name, unit in spans.items()
    )
    op = comparison(entry, "op", where, "gt")
    return Age(date, op, seconds)


def read_metrics(entry: Mapping[str, Any], where: str) -> Metrics:
    """`metrics`, over the intervals that inventory collected.

    Raises:
        InvalidRuleError: when hourly intervals cannot answer it.
    """
    for name in ("dimensions", "percent-attr", "attr-multiplier", "period-start"):
        if name in entry:
            raise InvalidRuleError(
                f"{where}.{name}", "cannot run here: inventory keeps one figure of each metric"
            )
    reading.known_members(
        entry,
        where,
        (
            *("type", "namespace", "name", "statistics", "days", "period", "op", "value"),
            "missing-value",
        ),
    )
    name = reading.text(entry, "name", where)
    if name not in grammar.METRICS:
        raise InvalidRuleError(
            f"{where}.name", f"{name} is not collected; known: {', '.join(grammar.METRICS)}"
        )
    metric = grammar.METRICS[name]
    statistic = reading.one_of(entry, "statistics", where, _STATISTICS, "Average")
    if statistic == "Sum" and metric not in grammar.COUNTED_METRICS:
        raise InvalidRuleError(f"{where}.statistics", f"{name} is a level; its sum means nothing")
    days = reading.number(entry, "days", where, least=1 / 24, most=400, default=14)
    seconds = int(days * DAY)
    period = reading.whole(
        entry, "period", where, least=HOUR, most=400 * DAY, default=max(seconds, HOUR)
    )
    missing = None
    limits = {"least": -1e15, "most": 1e15}
    if "missing-value" in entry:
        missing = reading.number(entry, "missing-value", where, **limits)
    return Metrics(
        name=name,
        metric=metric,
        statistic=cast("Literal['Average', 'Maximum', 'Sum']", statistic),
        seconds=seconds,
        period_seconds=period,
        op=comparison(entry, "op", where, "lt"),
        value=reading.number(entry, "value", where, **limits),
        missing=missing,
    )


def read_reduce(entry: Mapping[str, Any], where: str) -> Reduce:
    """`reduce`.

    Raises:
        InvalidRuleError: when it is wrong, or asks for chance: violations would come and go.
    """
    limits = ("limit", "limit-percent", "discard", "discard-percent")
    reading.known_members(
        entry, where, ("type", "group-by", "sort-by", "order", "null-order", *limits)
    )
    if entry.get("order") == "randomize":
        raise InvalidRuleError(
            f"{where}.order", "randomize cannot run here: each run would find other violations"
        )
    order = reading.one_of(entry, "order", where, ("asc", "desc", "reverse"), "asc")
    last = reading.one_of(entry, "null-order", where, ("first", "last"), "last") == "last"
    limit, discard = (
        reading.whole(entry, name, where, least=0, most=1_000_000, default=0)
        for name in ("limit", "discard")
    )
    limit_percent, discard_percent = (
        reading.number(entry, name, where, least=0, most=100, default=0)
        for name in ("limit-percent", "discard-percent")
    )
    return Reduce(
        group_by=_sorting(entry, "group-by", where),
        sort_by=_sorting(entry, "sort-by", where),
        is_grouped="group-by" in entry or "order" in entry,
        is_sorted="sort-by" in entry or "order" in entry,
        order=cast("Literal['asc', 'desc', 'reverse']", order),
        nulls_last=last,
        limit=limit,
        limit_percent=limit_percent,
        discard=discard,
        discard_percent=discard_percent,
    )


def _sorting(entry: Mapping[str, Any], name: str, where: str) -> SortBy:
    stated, at = entry.get(name), f"{where}.{name}"
    if stated is None:
        return SortBy(None, "string")
    if isinstance(stated, str):
        stated = {"key": stated}
    if not isinstance(stated, Mapping):
        raise InvalidRuleError(at, f"must be a key or an object with one, not {shown(stated)}")
    reading.known_members(stated, at, ("key", "value_type", "value_regex"))
    key = read_key(stated, reading.text(stated, "key", at), at)
    kind = reading.one_of(stated, "value_type", at, _SORTINGS, "string")
    return SortBy(key, cast("Literal['string', 'number', 'date']", kind))


def read_measure(entry: Mapping[str, Any], where: str, resource: str) -> MeasureFilter:
    """A condition on money: cost, spend-change, untagged-share or unpriced-share.

    Raises:
        InvalidRuleError: when it is wrong, or the rule is about what has no such figure.
    """
    name = _MEASURE_TYPES[entry["type"]]
    tag = ("tag",) if name == "untagged_spend_share" else ()
    reading.known_members(entry, where, ("type", "days", "op", "value", *tag))
    default = _MEASURE_DAYS.get(name, 30)
    days = reading.whole(entry, "days", where, least=1, most=MOST_DAYS, default=default)
    key = reading.text(entry, "tag", where) if "tag" in entry else None
    if "value" not in entry:
        raise InvalidRuleError(f"{where}.value", "is needed")
    if name == "cost" and isinstance(entry["value"], float):
        raise InvalidRuleError(f"{where}.value", 'money comes as text, as in "500.00"')
    value = reading.amount(entry["value"], f"{where}.value")
    least, most, why = _RANGES[name]
    if not least <= value <= most:
        raise InvalidRuleError(f"{where}.value", f"must be {why}, not {value}")
    op = comparison(entry, "op", where, "gt")
    _fits(name, resource, f"{where}.type")
    return MeasureFilter(Measure(name, days, key), op, value)


def _fits(measure: str, resource: str, where: str) -> None:
    known = grammar.MEASURES[measure]
    scope = resource if resource in grammar.SCOPES else grammar.ANY_RESOURCE
    if scope not in known:
        raise InvalidRuleError(
            where, f"{resource} has no {measure}; it is a figure of {', '.join(known)}"
        )


def read_condition(entry: Mapping[str, Any], where: str, resource: str) -> ValueFilter:
    """`budget-breached`, `dr-covered` or `rpo-breached`; `value: false` asks for the opposite.

    Raises:
        InvalidRuleError: when it is wrong, or the rule is about something else.
    """
    kind = entry["type"]
    reading.known_members(entry, where, ("type", "value"))
    value = entry.get("value", True)
    if not isinstance(value, bool):
        raise InvalidRuleError(f"{where}.value", f"must be true or false, not {shown(value)}")
    known = _CONDITIONS[kind]
    if resource not in known:
        raise InvalidRuleError(
            f"{where}.type", f"{resource} has no {kind}; it is a condition of {', '.join(known)}"
        )
    return ValueFilter(Key(kind.replace("-", "_")), "eq", value)


def read_model_list(entry: Mapping[str, Any], where: str, resource: str) -> ModelAllowList:
    """`model-allow-list`: hits whoever used a model that is not on it.

    Raises:
        InvalidRuleError: when it is wrong, or the rule is not about use of models.
    """
    reading.known_members(entry, where, ("type", "models"))
    models = entry.get("models")
    if not isinstance(models, list) or not models:
        raise InvalidRuleError(f"{where}.models", "must be a list of models, such as gpt-5*")
    for place, model in enumerate(models):
        if not isinstance(model, str) or not 0 < len(model) <= 200 or reading.is_unkept(model):
            raise InvalidRuleError(
                f"{where}.models[{place}]", f"must be a model's name or glob, not {shown(model)}"
            )
    if resource != grammar.LLM_USAGE:
        raise InvalidRuleError(f"{where}.type", f"is a condition of {grammar.LLM_USAGE}")
    return ModelAllowList(tuple(models))
