"""What a DR policy is and when it is refused: the same rules for the API, for files and for rows.

Belongs here: the shape of `oco.dr_policies` as people write it. Does not belong here: reading a
file (`oco_pipelines.resilience.policy_file`), or what a policy does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo

from oco_warehouse.cron import check_schedule, longest_gap
from oco_warehouse.durations import read_duration, write_duration
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.names import is_visible

EVERYTHING: Final = "*"
MOST_NAMESPACES: Final = 500
MOST_KEPT: Final = 1000
MOST_LABELS: Final = 50
MOST_NAME: Final = 100
MOST_CLUSTER: Final = 250
LONGEST: Final = timedelta(days=3660)
_SHOWN: Final = 80
# Names of Kubernetes: RFC 1123 labels and subdomains, label keys and values.
NAMESPACE_PATTERN: Final = r"^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$"
LOCATION_PATTERN: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_LABEL_KEY: Final = re.compile(
    r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
)
_LABEL_VALUE: Final = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")
_OPERATORS: Final = {"In": True, "NotIn": True, "Exists": False, "DoesNotExist": False}
# Operators that a label must be there for; the others are met by none.
_ASKING: Final = frozenset({"In", "Exists"})
_GO_SPAN: Final = re.compile(r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$")

# Fields of the Backup spec that a policy may set as they are, with what they hold; the others
# follow from its columns.
SNAPSHOT_OPTIONS: Final[dict[str, str]] = {
    "csiSnapshotTimeout": "a Go duration as in 10m",
    "datamover": "a name",
    "defaultVolumesToFsBackup": "true or false",
    "itemOperationTimeout": "a Go duration as in 4h",
    "snapshotMoveData": "true or false",
    "snapshotVolumes": "true or false",
    "volumeSnapshotLocations": "a list of names",
}


def _visible(name: str) -> str:
    if not is_visible(name) or name != name.strip():
        raise ValueError("must have visible characters only, and none of space around them")
    return name


def _length(value: object) -> timedelta:
    if isinstance(value, timedelta):
        length = value
    elif isinstance(value, str):
        try:
            length = read_duration(value)
        except InvalidInputError as error:
            raise ValueError(str(error)) from None
    else:
        raise ValueError("must be a length of time as in 30d, 8h or 1h30m")  # noqa: TRY004
    if not timedelta(minutes=1) <= length <= LONGEST or length.microseconds:
        raise ValueError("must be from 1m to 3660d, in whole seconds")
    return length


def _namespace(name: str) -> str:
    if not re.fullmatch(NAMESPACE_PATTERN, name):
        raise ValueError(f"{name[:_SHOWN]!r} is no name of a namespace, nor '*' for all of them")
    return name


def _location(name: str) -> str:
    if not _named(name):
        raise ValueError(f"{name[:_SHOWN]!r} is no name of a storage location")
    return name


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ValueError(f"{name!r} is named twice")
    if EVERYTHING in names and len(names) > 1:
        raise ValueError("'*' is every namespace; name it alone")
    return names


def _selector(value: dict[str, Any]) -> dict[str, Any]:
    problem = selector_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def _options(value: dict[str, Any]) -> dict[str, Any]:
    problem = options_problem(value)
    if problem:
        raise ValueError(problem)
    return value


Length = Annotated[timedelta, BeforeValidator(_length)]
Namespace = Annotated[str, AfterValidator(_namespace)]
Location = Annotated[str, AfterValidator(_location)]
Selector = Annotated[dict[str, Any], AfterValidator(_selector)]


class DrPolicyRule(BaseModel):
    """A DR policy as people write it.

    Attributes:
        cluster: kubeconfig context.
        namespaces: what is backed up; or instead of them:
        namespace_selector: labels of the namespaces, looked up for each backup.
        label_selector: narrows what of these namespaces is backed up.
        schedule_cron: when a backup is due, in `time_zone`.
        retention: Velero's ttl of each backup.
        keep_at_least: so many newest good recovery points are kept whatever their age.
        drill_cron: when a restore drill is due, in `time_zone`.
        protected: restores into its namespaces are refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=MOST_NAME), AfterValidator(_visible)]
    description: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""
    cluster: Annotated[str, Field(min_length=1, max_length=MOST_CLUSTER), AfterValidator(_visible)]
    namespaces: Annotated[
        tuple[Namespace, ...], Field(max_length=MOST_NAMESPACES), AfterValidator(_unique)
    ] = ()
    namespace_selector: Selector | None = None
    label_selector: Selector | None = None
    schedule_cron: Annotated[str, Field(max_length=200)]
    time_zone: Annotated[str, Field(max_length=100)] = "UTC"
    retention: Length = timedelta(days=30)
    keep_at_least: Annotated[int, Field(strict=True, ge=0, le=MOST_KEPT)] = 1
    storage_location: Location = "default"
    snapshot_options: Annotated[dict[str, Any], AfterValidator(_options)] = Field(
        default_factory=dict
    )
    rpo_target: Length
    rto_target: Length
    drill_cron: Annotated[str, Field(max_length=200)] | None = None
    protected: Annotated[bool, Field(strict=True)] = False
    enabled: Annotated[bool, Field(strict=True)] = True

    @model_validator(mode="after")
    def _no_contradiction(self) -> "DrPolicyRule":
        for problem in contradictions(self):
            raise ValueError(problem)
        return self

    def values(self) -> dict[str, Any]:
        """By column; JSON columns as plain values."""
        return {**self.model_dump(), "namespaces": list(self.namespaces)}

    def written(self) -> dict[str, Any]:
        """As a file has it: lengths as text, what is at its default left out."""
        stated = self.model_dump(exclude_defaults=True)
        return {
            name: write_duration(value)
            if isinstance(value, timedelta)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in stated.items()
        }


def contradictions(rule: DrPolicyRule) -> list[str]:
    """What cannot be true of a policy at once, a line each that begins with the field."""
    found = []
    if bool(rule.namespaces) == (rule.namespace_selector is not None):
        found.append("namespaces: exactly one of namespaces and namespace_selector is needed")
    try:
        gap = longest_gap(rule.schedule_cron, rule.time_zone, datetime.now(UTC).date())
        if gap is None:
            found.append(f"schedule_cron: {rule.schedule_cron!r} is never due")
        elif rule.rpo_target < gap:
            found.append(
                f"rpo_target: {write_duration(rule.rpo_target)} is shorter than the schedule's "
                f"longest gap of {write_duration(gap)}: it would be broken between two backups"
            )
    except InvalidInputError as error:
        found.append(_schedule_line("schedule_cron", error))
    if rule.retention < rule.rpo_target:
        found.append(
            f"retention: {write_duration(rule.retention)} is shorter than rpo_target "
            f"{write_duration(rule.rpo_target)}: backups expire while they are still needed"
        )
    return found if rule.drill_cron is None else [*found, *_drill_problems(rule, rule.drill_cron)]


def _drill_problems(rule: DrPolicyRule, cron: str) -> Iterator[str]:
    try:
        check_schedule(cron, rule.time_zone)
    except InvalidInputError as error:
        yield _schedule_line("drill_cron", error)
    if rule.protected and rule.namespaces == (EVERYTHING,):
        yield (
            "drill_cron: a drill restores into a scratch namespace, and protected with namespaces "
            "'*' leaves none"
        )
    try:
        labels_for(rule.label_selector or {})
    except InvalidInputError as error:
        yield f"drill_cron: label_selector: {error}"


def _schedule_line(field: str, error: InvalidInputError) -> str:
    said = str(error)
    return f"time_zone: {said}" if said.startswith("time zone") else f"{field}: {said}"


def selector_problem(selector: Mapping[str, Any]) -> str:
    """What is wrong with a Kubernetes label selector; empty when nothing is."""
    unknown = sorted(set(selector) - {"matchLabels", "matchExpressions"})
    if unknown:
        return f"{unknown[0][:_SHOWN]!r} is unknown; use matchLabels and matchExpressions"
    labels, terms = selector.get("matchLabels", {}), selector.get("matchExpressions", [])
    if not isinstance(labels, Mapping) or not isinstance(terms, list):
        return "matchLabels must be a mapping and matchExpressions a list"
    if not labels and not terms:
        return "it selects by no label; use matchLabels or matchExpressions"
    if len(labels) + len(terms) > MOST_LABELS:
        return f"it has more than {MOST_LABELS} terms"
    for key, value in labels.items():
        if not _is_key(key) or not _is_value(value):
            return f"matchLabels: {str(key)[:_SHOWN]!r} is no label of Kubernetes"
    return next(filter(None, map(_term_problem, terms)), "")


def _term_problem(term: object) -> str:
    if not isinstance(term, Mapping) or not set(term) <= {"key", "operator", "values"}:
        return "matchExpressions: each needs key, operator and, for In and NotIn, values"
    operator, values = term.get("operator"), term.get("values") or []
    if not isinstance(operator, str) or operator not in _OPERATORS:
        return f"matchExpressions: operator must be one of {', '.join(_OPERATORS)}"
    if not _is_key(term.get("key")):
        return f"matchExpressions: {str(term.get('key'))[:_SHOWN]!r} is no label of Kubernetes"
    if not isinstance(values, list) or not all(map(_is_value, values)):
        return "matchExpressions: values must be a list of label values"
    if bool(values) != _OPERATORS[operator] or len(values) > MOST_LABELS:
        return f"matchExpressions: {operator} takes " + (
            f"1 to {MOST_LABELS} values" if _OPERATORS[operator] else "no values"
        )
    return ""


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels meet a selector that `selector_problem` finds nothing wrong with."""
    held = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return held and all(_meets(term, labels) for term in selector.get("matchExpressions", []))


def labels_for(selector: Mapping[str, Any]) -> dict[str, str]:
    """Labels that meet a selector that `selector_problem` finds nothing wrong with.

    Raises:
        InvalidInputError: when nothing meets it.
    """
    labels = dict(selector.get("matchLabels", {}))
    terms = selector.get("matchExpressions", [])
    for key in dict.fromkeys(term["key"] for term in terms if term["operator"] in _ASKING):
        about = {"matchExpressions": [term for term in terms if term["key"] == key]}
        named = [value for term in about["matchExpressions"] for value in term.get("values") or []]
        # One more than it names, so that one of them is none that it rules out.
        free = (f"oco-{number}" for number in range(len(named) + 1))
        fitting = (value for value in chain(named, free) if selects(about, {key: value}))
        labels.setdefault(key, next(fitting, ""))
    if not selects(selector, labels):
        raise InvalidInputError("no labels meet all of its terms at once")
    return labels


def _meets(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    has, values = term["key"] in labels, term.get("values") or []
    match term["operator"]:
        case "In":
            return has and labels[term["key"]] in values
        case "NotIn":
            return not has or labels[term["key"]] not in values
        case "Exists":
            return has
        case _:
            return not has


def options_problem(options: Mapping[str, Any]) -> str:
    """What is wrong with snapshot options; empty when nothing is."""
    for name, value in options.items():
        if name not in SNAPSHOT_OPTIONS:
            known = ", ".join(SNAPSHOT_OPTIONS)
            return f"{str(name)[:_SHOWN]!r} is unknown; there are: {known}"
        if not _fits(SNAPSHOT_OPTIONS[name], value):
            return f"{name}: must be {SNAPSHOT_OPTIONS[name]}"
    if options.get("snapshotMoveData") and options.get("snapshotVolumes") is False:
        return "snapshotMoveData needs snapshots, and snapshotVolumes is false"
    if "datamover" in options and not options.get("snapshotMoveData"):
        return "datamover belongs to snapshotMoveData: true"
    return ""


def _fits(kind: str, value: object) -> bool:
    if kind == "true or false":
        return isinstance(value, bool)
    if kind == "a list of names":
        return isinstance(value, list) and 0 < len(value) <= MOST_LABELS and all(map(_named, value))
    if kind == "a name":
        return _named(value)
    return isinstance(value, str) and value != "" and _GO_SPAN.fullmatch(value) is not None


def _named(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(LOCATION_PATTERN, value) is not None


def _is_key(key: object) -> bool:
    return isinstance(key, str) and _LABEL_KEY.fullmatch(key) is not None


def _is_value(value: object) -> bool:
    return isinstance(value, str) and _LABEL_VALUE.fullmatch(value) is not None


def _optional(field: FieldInfo) -> FieldInfo:
    unset = copy(field)
    unset.default, unset.default_factory = None, None
    return unset


# Any of a policy's fields, each by its own rule, without what they must be together.
_PART: Final = create_model(
    "DrPolicyPart",
    __config__=ConfigDict(extra="forbid"),
    **{
        name: (field.annotation, _optional(field))
        for name, field in DrPolicyRule.model_fields.items()
    },  # type: ignore[call-overload]
)


def check_parts(changes: Mapping[str, Any]) -> None:
    """Whether each of some fields can stand in a policy by itself.

    Raises:
        InvalidInputError: one line, the field and what is wrong there.
    """
    try:
        _PART.model_validate(dict(changes))
    except ValidationError as error:
        raise InvalidInputError(_line(error, "")) from None


def read_rule(entry: object, label: str = "") -> DrPolicyRule:
    """A policy from plain values, as a file, a request or a row has them.

    Raises:
        InvalidInputError: one line, `label`, the field and what is wrong there.
    """
    before = f"{label}: " if label else ""
    if not isinstance(entry, Mapping):
        raise InvalidInputError(f"{before}must be a mapping with a name")
    try:
        return DrPolicyRule.model_validate(dict(entry))
    except ValidationError as error:
        raise InvalidInputError(_line(error, before)) from None


def _line(error: ValidationError, before: str) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:_SHOWN] for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    return " ".join(f"{before}{f'{where}: ' if where else ''}{said}".split())


def read_rules(entries: Sequence[object]) -> list[DrPolicyRule]:
    """Policies of a list; a name stands in it once.

    Raises:
        InvalidInputError: naming the policy and the field that is wrong.
    """
    rules: dict[str, DrPolicyRule] = {}
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        label = f"policies[{number}]" + (f" ({str(name)[:_SHOWN]})" if name else "")
        rule = read_rule(entry, label)
        if rule.name in rules:
            raise InvalidInputError(f"{label}: name: stands above already")
        rules[rule.name] = rule
    return list(rules.values())
