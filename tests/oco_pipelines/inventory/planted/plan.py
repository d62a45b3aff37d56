"""What a planted cloud has: resources with how busy they are, what they cost, and what is waste.

Pure and seeded. Every saving here is worked out from the figures of the plan by hand, with the
formula that the documentation of recommendations states; nothing of the rules is used.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Final, NamedTuple

WINDOW_HOURS: Final = 14 * 24
BILLED_DAYS: Final = 20
# Newest days of a bill that are not believed yet.
SETTLING_DAYS: Final = 2
# USD an hour of each size on this bill, the same for every machine of the size.
RATES: Final = {
    "m5.large": Decimal("0.1"),
    "m5.xlarge": Decimal("0.2"),
    "m5.2xlarge": Decimal("0.4"),
    "m4.large": Decimal("0.11"),
    "c5.large": Decimal("0.09"),
    "db.m5.large": Decimal("0.18"),
    "db.m4.large": Decimal("0.19"),
    "cache.m6g.large": Decimal("0.15"),
}
_GIB: Final = 1024.0**3


class Hour(NamedTuple):
    """What is measured in an hour; None where nothing is."""

    average: float
    most: float


Series = list[Hour | None]


@dataclass
class Planted:
    """One resource.

    Attributes:
        kind: as in oco.resources.
        name: unique; the cloud gives the identifier.
        profile: how it is made.
        size: type, class or volume type.
        daily_usd: what the bill has of it a day; 0 when it is not on the bill.
        series: {metric: hours, the newest last}.
        finds: {rule: USD a month that it must find}.
    """

    kind: str
    name: str
    profile: str
    size: str = ""
    daily_usd: Decimal = Decimal(0)
    series: dict[str, Series] = field(default_factory=dict)
    finds: dict[str, Decimal] = field(default_factory=dict)


def cents(amount: Decimal) -> Decimal:
    """Rounded down."""
    return amount.quantize(Decimal("0.01"), ROUND_DOWN)


def month(daily: Decimal) -> Decimal:
    """The saving of what is removed: the billed daily average × 30."""
    return cents(daily * 30)


def plan(seed: int) -> list[Planted]:
    """Some hundred resources, in an order that the seed shuffles."""
    dice = random.Random(seed)
    made = [
        one for make, count in _MAKERS for number in range(count) for one in (make(dice, number),)
    ]
    dice.shuffle(made)
    return made


def hours_of(value: Callable[[int], float | None]) -> Series:
    """A series of the window; `value` is asked with how many hours ago an hour began."""
    found: Series = []
    for ago in range(WINDOW_HOURS, 0, -1):
        told = value(ago)
        found.append(None if told is None else Hour(told, told * 1.2))
    return found


def _steady(dice: random.Random, low: float, high: float) -> Series:
    return hours_of(lambda _: round(dice.uniform(low, high), 3))


def _machine(profile: str, size: str = "m5.large") -> Callable[[random.Random, int], Planted]:
    rate = RATES[size]
    found = {
        "idle": {"idle_instance": month(rate * 24)},
        # Half of it fits at 80 %, a quarter does not: m5.2xlarge → m5.xlarge.
        "oversized": {"rightsize_instance": cents((rate - RATES["m5.xlarge"]) * 730)},
        # Five days of ten hours are its work.
        "office-hours": {"off_hours": cents(rate * (168 - 5 * 10) * 30 / 7)},
        # All but one of them, by the letter of the rule: both weeks saw them idle.
        "one-busy-hour": {"off_hours": cents(rate * 167 * 30 / 7)},
        "old-generation": {"previous_generation": cents((rate - RATES["m5.large"]) * 730)},
    }.get(profile, {})

    def make(dice: random.Random, number: int) -> Planted:
        name = f"{profile}-{number}"
        series = _WORK.get(profile, _busy)(dice)
        return Planted("aws.ec2", name, profile, size, rate * 24, series, dict(found))

    return make


def _busy(dice: random.Random) -> dict[str, Series]:
    return {"cpu": _steady(dice, 30, 60), "network": _steady(dice, 5e4, 9e5)}


def _quiet(dice: random.Random) -> dict[str, Series]:
    return {"cpu": _steady(dice, 0.5, 4), "network": _steady(dice, 10, 900)}


def _seen(dice: random.Random, is_seen: Callable[[int], bool]) -> dict[str, Series]:
    """A quiet machine that is not measured in every hour."""
    return {
        name: [hour if is_seen(ago) else None for ago, hour in _counted(series)]
        for name, series in _quiet(dice).items()
    }


def _one_busy_hour(dice: random.Random) -> dict[str, Series]:
    found = _quiet(dice)
    loud = dice.randrange(WINDOW_HOURS)
    found["cpu"][loud] = Hour(80, 95)
    found["network"][loud] = Hour(9e6, 9e6)
    return found


def _used(dice: random.Random, memory: tuple[float, float]) -> dict[str, Series]:
    return _busy(dice) | {"cpu": _steady(dice, 10, 30), "memory": _steady(dice, *memory)}


# Others are busy.
_WORK: Final[dict[str, Callable[[random.Random], dict[str, Series]]]] = {
    "idle": _quiet,
    # Nobody knows what goes over its network.
    "unmeasured": lambda dice: {"cpu": _quiet(dice)["cpu"]},
    "chatty": lambda dice: {"cpu": _quiet(dice)["cpu"], "network": _busy(dice)["network"]},
    "new": lambda dice: _seen(dice, lambda ago: ago <= 120),
    # Two hours of five: work may hide in the gaps.
    "sparse": lambda dice: _seen(dice, lambda ago: ago % 5 < 2),
    "one-busy-hour": _one_busy_hour,
    "oversized": lambda dice: _used(dice, (10, 30)),
    "full-of-memory": lambda dice: _used(dice, (70, 75)),
    # Laid out by the clock where it is planted.
    "office-hours": lambda _: {},
}


def _counted(series: Series) -> Iterator[tuple[int, Hour | None]]:
    return zip(range(WINDOW_HOURS, 0, -1), series, strict=True)


def _stopped(dice: random.Random, number: int) -> Planted:
    """Paid for by its disk alone, which is gp2: deleting it leaves nothing to move to gp3."""
    disk = Decimal(dice.randint(20, 90)) / 100
    return Planted(
        "aws.ec2", f"stopped-{number}", "stopped", "m5.large", disk,
        finds={"stopped_instance": month(disk)},
    )  # fmt: skip


def _just_stopped(dice: random.Random, number: int) -> Planted:
    disk = Decimal(dice.randint(20, 90)) / 100
    # Its disk is in use, and gp2.
    return Planted(
        "aws.ec2", f"just-stopped-{number}", "just-stopped", "m5.large", disk,
        finds={"previous_generation": cents(disk * 30 * Decimal("0.2"))},
    )  # fmt: skip


def _volume(profile: str, size: str = "gp3") -> Callable[[random.Random, int], Planted]:
    def make(dice: random.Random, number: int) -> Planted:
        daily = Decimal(dice.randint(5, 400)) / 100
        one = Planted("aws.ebs", f"{profile}-{number}", profile, size, daily)
        if profile == "loose":
            one.finds = {"unattached_volume": month(daily)}
        if profile == "loose-and-read":
            one.series = {"traffic": _steady(dice, 0, 0)}
            one.series["traffic"][-dice.randint(1, 100)] = Hour(5e3, 5e3)
        if profile == "attached-gp2":
            one.finds = {"previous_generation": cents(daily * 30 * Decimal("0.2"))}
        return one

    return make


def _of(
    kind: str, profile: str, rule: str = "", size: str = ""
) -> Callable[[random.Random, int], Planted]:
    """What is removed or left alone, whatever it is."""

    def make(dice: random.Random, number: int) -> Planted:
        daily = RATES[size] * 24 if size in RATES else Decimal(dice.randint(12, 900)) / 100
        one = Planted(kind, f"{profile}-{number}", profile, size, daily)
        if rule:
            one.finds = {rule: month(daily)}
        one.series = _SERIES.get((kind, profile), lambda _: {})(dice)
        return one

    return make


def _database_of_old_generation(dice: random.Random, number: int) -> Planted:
    one = _of("aws.rds", "old-generation", size="db.m4.large")(dice, number)
    saved = (RATES["db.m4.large"] - RATES["db.m5.large"]) * 730
    one.finds = {"previous_generation": cents(saved)}
    one.series = {"connections": _steady(dice, 3, 40)}
    return one


def _bucket(profile: str) -> Callable[[random.Random, int], Planted]:
    def make(dice: random.Random, number: int) -> Planted:
        daily = Decimal(dice.randint(100, 400)) / 100
        one = Planted("aws.s3", f"{profile}-{number}", profile, "", daily)
        one.series = {"stored": hours_of(lambda _: 500 * _GIB)}
        if profile != "unmeasured-reads":
            reads = 5 if profile == "hardly-read" else 5000
            one.series["reads"] = hours_of(lambda _: reads)
        if profile == "hardly-read":
            one.finds = {"storage_class": cents(daily * 30 * Decimal("0.4"))}
        return one

    return make


# Classic and other load balancers, gateways, databases and caches: how busy they are.
_SERIES: Final[dict[tuple[str, str], Callable[[random.Random], dict[str, Series]]]] = {
    **{
        (kind, profile): series
        for kind in ("aws.app-elb", "aws.elb")
        for profile, series in (
            ("idle", lambda _: {"requests": hours_of(lambda ago: 20.0 if ago % 12 == 0 else 0.0)}),
            # CloudWatch tells nothing of hours without requests: only that it was watched.
            ("silent", lambda _: {"watched": hours_of(lambda _: 1.0)}),
            ("busy", lambda dice: {"requests": _steady(dice, 50, 5000)}),
        )
    },
    ("aws.nat-gateway", "idle"): lambda dice: {"bytes": _steady(dice, 0, 1e5)},
    ("aws.nat-gateway", "busy"): lambda dice: {"bytes": _steady(dice, 1e7, 1e9)},
    ("aws.rds", "idle"): lambda _: {"connections": hours_of(lambda _: 0.0)},
    ("aws.rds", "busy"): lambda dice: {"connections": _steady(dice, 3, 40)},
    ("aws.cache-cluster", "idle"): lambda _: {"connections": hours_of(lambda _: 0.0)},
    ("aws.cache-cluster", "busy"): lambda dice: {"connections": _steady(dice, 3, 40)},
}
_MAKERS: Final[tuple[tuple[Callable[[random.Random, int], Planted], int], ...]] = (
    (_machine("busy"), 70),
    (_machine("busy-of-another-family", "c5.large"), 6),
    (_machine("busy-and-larger", "m5.xlarge"), 4),
    (_machine("idle"), 20),
    (_machine("unmeasured"), 8),
    (_machine("chatty"), 8),
    (_machine("new"), 6),
    (_machine("sparse"), 6),
    (_machine("one-busy-hour"), 6),
    (_machine("oversized", "m5.2xlarge"), 10),
    (_machine("full-of-memory", "m5.2xlarge"), 6),
    (_machine("office-hours"), 8),
    (_machine("old-generation", "m4.large"), 8),
    (_stopped, 10),
    (_just_stopped, 5),
    (_volume("loose"), 25),
    (_volume("just-loose"), 8),
    (_volume("loose-and-read"), 6),
    (_volume("attached"), 15),
    (_volume("attached-gp2", "gp2"), 12),
    (_of("aws.ebs-snapshot", "orphan", "old_snapshot"), 15),
    (_of("aws.ebs-snapshot", "young-orphan"), 8),
    (_of("aws.ebs-snapshot", "with-source"), 8),
    (_of("aws.ami", "obsolete", "obsolete_image"), 6),
    (_of("aws.ami", "young"), 3),
    (_of("aws.ami", "running"), 3),
    (_of("aws.ami", "in-template"), 3),
    (_of("aws.network-addr", "unused", "unused_address"), 10),
    (_of("aws.network-addr", "used"), 6),
    (_of("aws.app-elb", "idle", "idle_load_balancer"), 6),
    (_of("aws.app-elb", "silent", "idle_load_balancer"), 6),
    (_of("aws.app-elb", "empty", "idle_load_balancer"), 4),
    (_of("aws.app-elb", "unmeasured"), 4),
    (_of("aws.app-elb", "busy"), 6),
    (_of("aws.elb", "idle", "idle_load_balancer"), 4),
    (_of("aws.elb", "silent", "idle_load_balancer"), 4),
    (_of("aws.elb", "busy"), 4),
    (_of("aws.nat-gateway", "idle", "idle_nat_gateway"), 4),
    (_of("aws.nat-gateway", "unmeasured"), 3),
    (_of("aws.nat-gateway", "busy"), 4),
    (_of("aws.rds", "idle", "idle_database", "db.m5.large"), 6),
    (_of("aws.rds", "unmeasured", "", "db.m5.large"), 4),
    (_of("aws.rds", "busy", "", "db.m5.large"), 8),
    (_database_of_old_generation, 4),
    (_of("aws.cache-cluster", "idle", "idle_database", "cache.m6g.large"), 3),
    (_of("aws.cache-cluster", "busy", "", "cache.m6g.large"), 4),
    (_bucket("hardly-read"), 6),
    (_bucket("often-read"), 5),
    (_bucket("unmeasured-reads"), 4),
    (_of("aws.lambda", "function"), 5),
)
