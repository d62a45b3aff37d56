"""The thresholds of all rules: one model, whose defaults a YAML file may override.

`OCO_OPTIMIZER_THRESHOLDS` names the file. It holds only what differs, by rule:

    idle_instance:
      cpu_percent: 3
    old_snapshot:
      enabled: false
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oco_warehouse.errors import InvalidFileError
from oco_warehouse.strict_yaml import read_yaml

MAX_BYTES: Final = 1024 * 1024
Days = Annotated[int, Field(ge=1, le=400)]
Hours = Annotated[int, Field(ge=1, le=9600)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Rule(BaseModel):
    """What every rule has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    enabled: bool = True
    # A saving below it is not worth anybody's time.
    least_monthly_usd: Amount = 0.1


class Idle(Rule):
    """A rule that rests on metrics of little work."""

    window_days: Days = 7
    shortest_days: Days = 7
    # Half of the hours must have been seen, or gaps could hide all of the work.
    least_coverage: Share = 0.5


class IdleInstance(Idle):
    """A machine that is paid for and does nothing."""

    window_days: Days = 14
    cpu_percent: Percent = 5
    network_bytes_per_second: Amount = 1000
    # A machine that is quiet on average but has a chatty hour is idle, too.
    network_bytes_per_day: Amount = 5_000_000


class StoppedInstance(Rule):
    """Disks of a machine that is stopped."""

    least_days: Days = 1


class Unattached(Rule):
    """What is attached to nothing."""

    least_days: Days = 1


class UnattachedVolume(Unattached):
    """A disk."""

    # Reads and writes in this time say that something used it.
    window_days: Days = 7


class UnusedAddress(Unattached):
    """An address that nothing answers under."""

    least_days: Days = 7


class IdleLoadBalancer(Idle):
    """A load balancer that nobody asks."""

    requests_per_day: Amount = 100


class IdleGateway(Idle):
    """A NAT gateway that nothing goes through."""

    bytes_per_day: Amount = 5_000_000


class IdleDatabase(Idle):
    """A database that nobody connects to."""


class Kept(Rule):
    """What is kept longer than it should."""

    retention_days: Days = 30
    days_beyond: Days = 7


class ObsoleteImage(Kept):
    """An image that nothing runs on."""

    retention_days: Days = 90


class Rightsizing(Rule):
    """A machine that would fit into a smaller size."""

    window_days: Days = 14
    target_percent: Percent = 80
    least_hours: Hours = 30
    # Sizes down that one recommendation may go.
    most_steps: Annotated[int, Field(ge=1, le=6)] = 2


class OffHours(Rule):
    """A machine that does nothing in the same hours of every week."""

    window_days: Annotated[int, Field(ge=14, le=56, multiple_of=7)] = 14
    cpu_percent: Percent = 5
    network_bytes_per_second: Amount = 1000
    # Shorter pauses are not worth a start and a stop.
    shortest_stretch_hours: Annotated[int, Field(ge=1, le=168)] = 4
    least_hours_a_week: Annotated[int, Field(ge=1, le=167)] = 40


class PreviousGeneration(Rule):
    """A machine or a disk of an old kind."""

    # What the successor costs less, as a share, where the bill does not tell.
    successors: Mapping[str, tuple[str, Annotated[float, Field(gt=0, lt=1)]]] = {
        "aws:t1": ("t3", 0.48),
        "aws:t2": ("t3", 0.10),
        "aws:m1": ("m5", 0.45),
        "aws:m2": ("r5", 0.48),
        "aws:m3": ("m5", 0.28),
        "aws:m4": ("m5", 0.04),
        "aws:c1": ("c5", 0.35),
        "aws:c3": ("c5", 0.19),
        "aws:c4": ("c5", 0.15),
        "aws:r3": ("r5", 0.24),
        "aws:r4": ("r5", 0.05),
        "aws:i2": ("i3", 0.63),
        "aws:db.t2": ("db.t3", 0.05),
        "aws:db.m3": ("db.m5", 0.05),
        "aws:db.m4": ("db.m5", 0.02),
        "aws:db.r3": ("db.r5", 0.05),
        "aws:db.r4": ("db.r5", 0.01),
        "aws:gp2": ("gp3", 0.20),
    }


class StorageClass(Rule):
    """Objects that are kept at hand and hardly read."""

    window_days: Days = 14
    least_gib: Amount = 100
    # Reads a month for each GiB that is kept.
    gets_per_gib: Amount = 1
    # What the colder class costs less, after the price of reading what is read.
    saved_share: Share = 0.40
    least_coverage: Share = 0.5


class Spot(Rule):
    """Machines that never live long and could be interruptible."""

    window_days: Days = 14
    most_hours: Hours = 6
    least_members: Count = 10
    short_share: Share = 0.9
    # What spot costs less, as a share, where the bill has none of the size.
    saved_share: Share = 0.60
    # Work that is interrupted is done again.
    repeated_share: Annotated[float, Field(ge=0, lt=1)] = 0.05


class Commitment(Rule):
    """Use that never stops and is paid for by the hour."""

    history_days: Days = 90
    least_monthly_usd: Amount = 20
    # What a commitment of one year without payment in advance costs less, where the bill has none.
    saved_share: Mapping[str, Share] = {"aws": 0.27, "azure": 0.25, "gcp": 0.28}
    service_categories: tuple[str, ...] = ("Compute", "Databases")


class Thresholds(BaseModel):
    """Thresholds of all rules."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    idle_instance: IdleInstance = IdleInstance()
    stopped_instance: StoppedInstance = StoppedInstance()
    unattached_volume: UnattachedVolume = UnattachedVolume()
    idle_load_balancer: IdleLoadBalancer = IdleLoadBalancer()
    idle_nat_gateway: IdleGateway = IdleGateway()
    unused_address: UnusedAddress = UnusedAddress()
    old_snapshot: Kept = Kept()
    obsolete_image: ObsoleteImage = ObsoleteImage()
    idle_database: IdleDatabase = IdleDatabase()
    rightsize_instance: Rightsizing = Rightsizing()
    previous_generation: PreviousGeneration = PreviousGeneration()
    storage_class: StorageClass = StorageClass()
    off_hours: OffHours = OffHours()
    spot_instance: Spot = Spot()
    commitment: Commitment = Commitment()
    # Days of the bill that daily averages are taken over: whole weeks.
    cost_days: Annotated[int, Field(ge=7, le=56, multiple_of=7)] = 14


def read_thresholds(path: Path | None) -> Thresholds:
    """The defaults with what a file overrides.

    Raises:
        InvalidFileError: naming the file, the rule and the threshold that is wrong.
    """
    if path is None:
        return Thresholds()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path}: larger than {MAX_BYTES} bytes")
        content = read_yaml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InvalidFileError(f"{path}: cannot be read ({' '.join(reason.split())})") from None
    if content is None:
        return Thresholds()
    if not isinstance(content, dict):
        raise InvalidFileError(f"{path}: expected rules with their thresholds under them")
    try:
        return Thresholds.model_validate(_as_tuples(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidFileError(f"{path}: {place}: {first['msg']}") from None


def _as_tuples(value: Any) -> Any:
    """YAML has lists where the model has tuples, which it takes strictly."""
    if isinstance(value, list):
        return tuple(_as_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _as_tuples(item) for key, item in value.items()}
    return value
