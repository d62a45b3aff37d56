"""Rules that share cost out to teams: what such a rule is and when it is refused.

Belongs here: the shape of `oco.cost_allocations.match` and `.target`. Does not belong here: reading
a file (`oco_pipelines.showback`), or how charges are matched (`dbt_project`, `int_showback_owned`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.money import AmountRange, plain

# What the marts call cost that nobody gets: no team can have this name.
UNALLOCATED: Final = "unallocated"
# What the marts call the rule of a charge that no rule fits.
NO_RULE_NAMES: Final = ("team of the charge", "no rule")
ANY_VALUE: Final = "*"
_WEIGHT: Final = AmountRange(1_000_000_000, above_zero=True)
_MOST: Final = 1000
_SHOWN: Final = 80

Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")]
Category = Literal["Usage", "Purchase", "Tax", "Credit", "Adjustment"]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _usable_team(name: str) -> str:
    if name == UNALLOCATED:
        raise ValueError(f"{UNALLOCATED!r} is what nobody gets; no team can have this name")
    return name


def _usable_weight(weight: Decimal) -> Decimal:
    if not _WEIGHT.holds(weight):
        raise ValueError(f"must be {_WEIGHT.rule}")
    return weight


def _no_float(weight: object) -> object:
    if isinstance(weight, float | bool):
        raise ValueError("must be a decimal number, as text or whole")  # noqa: TRY004
    return weight


def _no_number(day: object) -> object:
    if isinstance(day, int | float | Decimal):
        raise ValueError("must be a day as 2026-10-01")  # noqa: TRY004 - pydantic tells of ValueErrors
    return day


Team = Annotated[Text, AfterValidator(_usable_team)]


def _usable_name(name: str) -> str:
    if name in NO_RULE_NAMES:
        raise ValueError(f"{name!r} is what the marts call charges that no rule fits")
    return name


Name = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$"),
    AfterValidator(_usable_name),
]
Day = Annotated[date, BeforeValidator(_no_number)]
Weight = Annotated[Decimal, BeforeValidator(_no_float), AfterValidator(_usable_weight)]
Texts = Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1, max_length=_MOST)]
Categories = Annotated[list[Category], BeforeValidator(_as_list), Field(min_length=1)]
_FIRST_DAY: Final = date(2000, 1, 1)


class Match(BaseModel):
    """Which charges a rule is for: all of what it states must hold; a list is one of its values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Texts | None = Field(None, description="Short names: aws, azure, gcp, openai, …")
    service: Texts | None = Field(None, description="ServiceName as on the bill")
    account: Texts | None = Field(None, description="account_id of the marts")
    charge_category: Categories | None = Field(None, description="FOCUS ChargeCategory")
    tags: dict[Text, Texts] | None = Field(
        None, min_length=1, max_length=100, description="Values by key; * is any value"
    )

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in type(self).model_fields)


class Target(BaseModel):
    """Who gets what matches: exactly one of `team`, `tag`, `weights` and `proportional_to`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    team: Team | None = Field(None, description="One team")
    tag: Text | None = Field(None, description="The team that the value of this tag names")
    weights: dict[Team, Weight] | None = Field(
        None, min_length=1, max_length=_MOST, description="Fixed weights by team"
    )
    proportional_to: Literal["direct_cost"] | None = Field(
        None, description="Weights are each team's own direct cost of the month"
    )
    teams: list[Team] | None = Field(
        None, min_length=1, max_length=_MOST, description="Only these share, by direct cost"
    )
    remainder: Team | None = Field(
        None, description="Team that gets what division leaves; unset: the largest weight"
    )

    @model_validator(mode="after")
    def _one_of(self) -> "Target":
        stated = [
            name
            for name in ("team", "tag", "weights", "proportional_to")
            if getattr(self, name) is not None
        ]
        if len(stated) != 1:
            raise ValueError("needs exactly one of team, tag, weights and proportional_to")
        if self.teams is not None and self.proportional_to is None:
            raise ValueError("teams belongs to proportional_to")
        if self.remainder is not None:
            sharing = self.teams if self.weights is None else [*self.weights]
            if self.weights is None and self.proportional_to is None:
                raise ValueError("remainder belongs to weights and proportional_to")
            if sharing is not None and self.remainder not in sharing:
                raise ValueError(f"remainder {self.remainder!r} is none of the teams that share")
        return self


class AllocationRule(BaseModel):
    """One rule. The first that fits a charge wins: the lowest priority, then by name.

    Attributes:
        method: `tag` goes by a tag of the charge, `account` states the owner of what matches,
            `proportional` splits it.
        valid_from: first usage day that it holds for.
        valid_to: day from which it no longer holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    priority: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
    method: Literal["tag", "account", "proportional"]
    match: Match = Match()
    target: Target
    enabled: Annotated[bool, Field(strict=True)] = True
    valid_from: Day = _FIRST_DAY
    valid_to: Day | None = None

    @model_validator(mode="after")
    def _whole(self) -> "AllocationRule":
        target = self.target
        splits = target.weights is not None or target.proportional_to is not None
        if (self.method == "proportional") != splits:
            raise ValueError(
                "target: weights and proportional_to belong to the method proportional, "
                "and it needs one of them"
            )
        if self.method == "tag" and target.tag is None and self.match.tags is None:
            raise ValueError("target: the method tag needs target.tag or match.tags")
        if self.method == "account" and target.team is None:
            raise ValueError("target: the method account needs target.team")
        if self.method == "account" and not self.match:
            raise ValueError("match: the method account would take every charge; say which")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to: must be after valid_from")
        return self

    def match_json(self) -> dict[str, Any]:
        """As `oco.cost_allocations.match` holds it."""
        return self.match.model_dump(exclude_none=True)

    def target_json(self) -> dict[str, Any]:
        """As `oco.cost_allocations.target` holds it; weights as text, so that no digit is lost."""
        stated = self.target.model_dump(exclude_none=True)
        if self.target.weights is not None:
            stated["weights"] = {team: plain(w) for team, w in self.target.weights.items()}
        return stated


def read_rules(entries: Sequence[object]) -> list[AllocationRule]:
    """Rules from plain values, as a file or a request has them.

    Raises:
        InvalidInputError: naming the rule and the field that is wrong.
    """
    rules: dict[str, AllocationRule] = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise InvalidInputError(f"rule {number}: must be a mapping with a name")
        label = f"rule {number} ({str(entry.get('name', 'without a name'))[:_SHOWN]})"
        try:
            rule = AllocationRule.model_validate(dict(entry))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part)[:_SHOWN] for part in first["loc"])
            said = first["msg"].removeprefix("Value error, ")
            line = f"{label}: {f'{where}: ' if where else ''}{said}"
            raise InvalidInputError(" ".join(line.split())) from None
        if rule.name in rules:
            raise InvalidInputError(f"{label}: name: another rule above has it already")
        rules[rule.name] = rule
    return list(rules.values())
