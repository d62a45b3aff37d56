"""A simulated cloud whose future is held back: what runs see at a time, and what comes after it.

Resources are drawn from a seed. Each has a hidden day on which it wakes up, grows, is used again or
is deleted; how likely that is depends on what can be seen of it only in part. Runs judge it by the
rules of the optimizer and keep its life as the warehouse would; nothing here knows a rule.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import polars as pl

from oco_pipelines.optimizer import frames as shapes
from oco_pipelines.optimizer.calibration import Calibration, Outcome
from oco_pipelines.optimizer.frames import Frames
from oco_pipelines.optimizer.judge import judge
from oco_pipelines.optimizer.outcomes import PATIENCE, verdict
from oco_pipelines.optimizer.overlaps import net
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.thresholds import Thresholds
from oco_warehouse import recommendation_life as lives
from oco_warehouse.recommendation_life import Life

START: Final = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
HORIZON_DAYS: Final = 30
# Runs see what is 14 days back; every third day is often enough for the days of grace.
RUN_EVERY_DAYS: Final = 3
_WINDOW_DAYS: Final = 14
_DAY: Final = 86_400
_NEVER: Final = 10_000
_HOURS_A_WEEK: Final = 168


@dataclass(frozen=True, slots=True)
class Thing:
    """A resource with its future.

    Attributes:
        calm: each metric's level while nothing happens.
        stirred: the levels after the day on which something does.
        noise: how far a day may lie from its level, as a share.
        stirs_on: day on which it wakes up, grows or is used again; counted from the claim.
        gone_on: day on which it is deleted.
        seen_share: share of its days that are measured.
        idle_hours: hours of the week without work, for one that has a schedule.
    """

    identifier: str
    kind: str
    facts: Mapping[str, Any]
    calm: Mapping[str, float]
    stirred: Mapping[str, float]
    noise: float
    usd_a_day: Decimal
    stirs_on: int = _NEVER
    gone_on: int = _NEVER
    seen_share: float = 1
    idle_hours: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What was said of a resource when it was first found, and whether it came true."""

    recommendation_type: str
    raw: Decimal
    stated: Decimal
    hit: bool


def draw(seed: int, count: int) -> list[Thing]:
    """Resources of all kinds, in equal parts."""
    chance = random.Random(seed)
    makers = tuple(_MAKERS)
    return [makers[place % len(makers)](chance, f"r-{place}") for place in range(count)]


def live_through(things: Sequence[Thing], calibration: Calibration) -> list[Claim]:
    """Claims of a first run, held to the 30 days that follow it.

    A recommendation whose resource is deleted is seen on the bill, as it would be in a warehouse.
    """
    first = {one.identity: one for one in _found(things, 0)}
    lived = {identity: lives.born(START) for identity in first}
    for day in range(RUN_EVERY_DAYS, HORIZON_DAYS + 1, RUN_EVERY_DAYS):
        now = START + timedelta(days=day)
        still = {one.identity for one in _found(things, day)}
        gone = {thing.identifier for thing in things if thing.gone_on <= day}
        for identity, life in lived.items():
            lived[identity] = _step(life, now, identity in still, identity[1][2] in gone)
    end = START + timedelta(days=HORIZON_DAYS)
    return [
        Claim(one.recommendation_type, one.confidence, calibration.stated(*_said(one)), hit)
        for identity, one in first.items()
        if (hit := _hit(lived[identity], end)) is not None
    ]


def outcomes(claims: Iterable[Claim]) -> Iterator[Outcome]:
    """Claims as the calibration takes them."""
    return (Outcome(claim.recommendation_type, claim.raw, claim.hit) for claim in claims)


def _said(one: Recommendation) -> tuple[str, Decimal]:
    return one.recommendation_type, one.confidence


def _step(life: Life, now: datetime, found: bool, gone: bool) -> Life:
    if found:
        return lives.found(life, now)
    after = lives.missed(life, now, gone=gone)
    # A deleted resource is on no bill any more: its whole cost is saved.
    return lives.measured(after, now, saved=True) if gone else after


def _hit(life: Life, end: datetime) -> bool | None:
    made = verdict(1, START, life, end)
    # What is missed in the last days is known when its grace and the bill's weeks are over.
    later = end + PATIENCE + timedelta(days=RUN_EVERY_DAYS + 1)
    if made is None and life.missed_since is not None:
        expired = lives.missed(life, end + timedelta(days=RUN_EVERY_DAYS))
        made = verdict(1, START, expired, later)
    return None if made is None else made.hit


def _found(things: Sequence[Thing], day: int) -> Sequence[Recommendation]:
    there = [thing for thing in things if thing.gone_on > day]
    return net(judge(_frames(there, day), Thresholds())).recommendations


def _frames(things: Sequence[Thing], day: int) -> Frames:
    as_of = START + timedelta(days=day)
    resources, metrics, week, costs = [], [], [], []
    for thing in things:
        key = {"provider": "aws", "account_id": "1", "resource_id": thing.identifier}
        stirred = thing.stirs_on < day
        empty = dict.fromkeys(shapes.RESOURCES)
        facts = {**thing.facts, **({"attached": True} if stirred else {})}
        if stirred and "in_use" in facts:
            facts["in_use"] = True
        if facts.get("attached"):
            facts["unattached_since"] = None
        resources.append(
            {**empty, **key, "resource_type": thing.kind, "region": "us-east-1", **facts}
        )
        costs.append({**key, **_cost(thing)})
        for name in thing.calm:
            values = _days(thing, name, day)
            metrics += [
                {**key, **_summary(name, values, window, thing, as_of)}
                for window in (7, _WINDOW_DAYS)
            ]
        if thing.idle_hours:
            week += _hours(thing, key, day)
    return Frames(
        as_of,
        *(
            pl.DataFrame(rows, schema=shapes.SCHEMAS[name])
            for name, rows in (
                ("resources", resources),
                ("metrics", metrics),
                ("week", week),
                ("costs", costs),
                ("prices", []),
            )
        ),
    )


def _cost(thing: Thing) -> dict[str, Any]:
    total = thing.usd_a_day * _WINDOW_DAYS
    return {
        "days": _WINDOW_DAYS,
        "billed_days": _WINDOW_DAYS,
        "billed_usd": total,
        "hourly_usd": total,
        "hours": Decimal(24 * _WINDOW_DAYS),
        "storage_usd": Decimal(0),
        "committed_usd": Decimal(0),
    }


def _days(thing: Thing, name: str, day: int) -> list[float]:
    """Averages of the 14 days before a day; a day has the same value in every run."""
    values = []
    for ago in range(_WINDOW_DAYS, 0, -1):
        of = day - ago
        level = (thing.stirred if of >= thing.stirs_on else thing.calm)[name]
        spread = random.Random(f"{thing.seed} {name} {of}").uniform(-thing.noise, thing.noise)
        values.append(max(0.0, level * (1 + spread)))
    return values


def _summary(
    name: str, values: Sequence[float], window: int, thing: Thing, as_of: datetime
) -> dict[str, Any]:
    kept = values[-window:]
    ordered = sorted(kept)
    return {
        "metric": name,
        "window_days": window,
        "intervals": len(kept),
        "seconds": int(_DAY * len(kept) * thing.seen_share),
        "first_start": as_of - timedelta(days=len(kept)),
        "lowest": ordered[0],
        "highest": ordered[-1],
        "p99": ordered[-1],
        "peak": ordered[-1],
        "highest_day": ordered[-1],
        "highest_day_amount": ordered[-1] * _DAY,
        "total": sum(kept),
    }


def _hours(thing: Thing, key: Mapping[str, str], day: int) -> Iterator[dict[str, Any]]:
    """Each hour of the week over two weeks; what stirs works at night, too."""
    stirred = thing.stirs_on < day
    for name, quiet, busy in (
        ("cpu_percent", thing.calm["night"], 60.0),
        ("network_bytes_per_second", 20.0, 90_000.0),
    ):
        for hour in range(_HOURS_A_WEEK):
            idle = hour in thing.idle_hours and not stirred
            yield {
                **key,
                "metric": name,
                "hour": hour,
                "observed": 2,
                "highest": quiet if idle else busy,
            }


def _future(chance: random.Random, stirs: float, goes: float) -> dict[str, int]:
    """Days on which something happens, if it does within the horizon."""
    days = {}
    if chance.random() < stirs:
        days["stirs_on"] = chance.randint(0, HORIZON_DAYS - 1)
    if chance.random() < goes:
        days["gone_on"] = chance.randint(1, HORIZON_DAYS)
    return days


def _machine(chance: random.Random, identifier: str) -> Thing:
    """A machine with little work: the more it does, the likelier it wakes up."""
    cpu = chance.uniform(0.2, 5.5)
    return Thing(
        identifier,
        "aws.ec2",
        {"state": "running", "size": "m5.large"},
        {"cpu_percent": cpu, "network_bytes_per_second": chance.uniform(5, 45)},
        {"cpu_percent": 45, "network_bytes_per_second": 80_000},
        noise=chance.choice((0.02, 0.1, 0.4)),
        usd_a_day=Decimal(chance.randint(1, 40)),
        seen_share=chance.choice((1.0, 1.0, 0.9, 0.7, 0.55)),
        seed=chance.getrandbits(32),
        **_future(chance, 0.05 + 0.75 * (cpu / 5.5) ** 2, 0.1),
    )


def _volume(chance: random.Random, identifier: str) -> Thing:
    """A disk that nothing uses: the longer, the likelier it stays so."""
    days = chance.choice((1.2, 2, 3, 5, 10, 40, 200))
    return Thing(
        identifier,
        "aws.ebs",
        {"attached": False, "unattached_since": START - timedelta(days=days), "size": "gp3"},
        {},
        {},
        noise=0,
        usd_a_day=Decimal(chance.randint(1, 9)),
        **_future(chance, 0.6 / (1 + days / 2), 0.15),
    )


def _balancer(chance: random.Random, identifier: str) -> Thing:
    """A load balancer with few requests: nobody knows which of them will be asked more."""
    requests = chance.uniform(0, 105)
    return Thing(
        identifier,
        "aws.app-elb",
        {"state": "active"},
        {"requests": requests},
        {"requests": 5000},
        noise=chance.choice((0.05, 0.3)),
        usd_a_day=Decimal(1),
        seen_share=chance.choice((1.0, 0.8, 0.6)),
        seed=chance.getrandbits(32),
        **_future(chance, 0.1 + 0.3 * requests / 105, 0.05),
    )


def _database(chance: random.Random, identifier: str) -> Thing:
    """A database without connections; one in five is of a job that runs once a month."""
    return Thing(
        identifier,
        "aws.rds",
        {"state": "available", "size": "db.m5.large"},
        {"connections": 0},
        {"connections": 12},
        noise=0,
        usd_a_day=Decimal(4),
        seen_share=chance.choice((1.0, 0.9, 0.75)),
        **_future(chance, 0.2, 0.05),
    )


def _snapshot(chance: random.Random, identifier: str) -> Thing:
    """An old snapshot: hardly ever needed again."""
    days = chance.choice((38, 45, 60, 120, 400))
    return Thing(
        identifier,
        "aws.ebs-snapshot",
        {"created_at": START - timedelta(days=days), "source_exists": False, "in_use": False},
        {},
        {},
        noise=0,
        usd_a_day=Decimal("0.5"),
        **_future(chance, 0.12 if days < 60 else 0.02, 0.1),
    )


def _large_machine(chance: random.Random, identifier: str) -> Thing:
    """A machine that is too large; loads grow."""
    cpu, memory = chance.uniform(8, 39), chance.uniform(10, 39)
    growth = chance.uniform(1.6, 3.5)
    return Thing(
        identifier,
        "aws.ec2",
        {"state": "running", "size": "m5.4xlarge"},
        {"cpu_percent": cpu, "memory_percent": memory},
        {"cpu_percent": cpu * growth, "memory_percent": memory * growth},
        noise=chance.choice((0.02, 0.1)),
        usd_a_day=Decimal(19),
        seen_share=chance.choice((1.0, 0.9, 0.5, 0.2)),
        seed=chance.getrandbits(32),
        **_future(chance, 0.35, 0.05),
    )


def _office_machine(chance: random.Random, identifier: str) -> Thing:
    """A machine of people who go home; some projects begin to work at night."""
    night = chance.uniform(0.2, 4.9)
    idle = tuple(hour for hour in range(_HOURS_A_WEEK) if hour >= 120 or not 7 <= hour % 24 < 19)
    return Thing(
        identifier,
        "aws.ec2",
        {"state": "running", "size": "c5.large"},
        {"cpu_percent": 35, "network_bytes_per_second": 40_000, "night": night},
        {"cpu_percent": 50, "network_bytes_per_second": 60_000, "night": night},
        noise=0.2,
        usd_a_day=Decimal(3),
        idle_hours=idle,
        seed=chance.getrandbits(32),
        **_future(chance, 0.1 + 0.5 * night / 5, 0.05),
    )


_MAKERS: Final[tuple[Callable[[random.Random, str], Thing], ...]] = (
    _machine,
    _machine,
    _volume,
    _balancer,
    _database,
    _snapshot,
    _large_machine,
    _office_machine,
)
