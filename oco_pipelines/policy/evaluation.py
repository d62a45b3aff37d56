"""One evaluation of all enabled policies."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from psycopg import IsolationLevel

from oco_pipelines.policy.policy_store import StoredPolicy, read_policies
from oco_pipelines.policy.violations import (
    Staged,
    keep_error,
    keep_violations,
    resolve_disabled,
    unjudged_violations,
)
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.policy_engine.judging import judge_policies
from oco_warehouse.policy_rules import Rules, parse_rules

# Connections that violations are written on, each for the policies that are its own.
LANES: Final = 2


@dataclass(slots=True)
class Evaluation:
    """What an evaluation did.

    Attributes:
        judged: policies that were judged.
        found: what breaks one of them, exempt or not.
        opened: violations that are new.
        resolved: violations that ended.
        failed: why a policy could not be judged, by its name.
        overtaken: policies of which somebody else has told, or that were changed meanwhile.
    """

    judged: int = 0
    found: int = 0
    opened: int = 0
    resolved: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    overtaken: list[str] = field(default_factory=list)

    def add(self, other: "Evaluation") -> None:
        """Count what another part of the same evaluation did."""
        self.judged += other.judged
        self.found += other.found
        self.opened += other.opened
        self.resolved += other.resolved
        self.failed |= other.failed
        self.overtaken += other.overtaken


def evaluate_policies(warehouse: Warehouse, now: datetime | None = None) -> Evaluation:
    """Judge all enabled policies on one snapshot and bring their violations up to date.

    It may run twice at once, and again at any time: the state is the same. Each policy's violations
    change in a transaction of their own.
    """
    now = now or datetime.now(UTC)
    policies = [policy for policy in read_policies(warehouse) if policy.enabled]
    errors: dict[str, str] = {}
    rules: list[tuple[str, Rules]] = []
    for policy in policies:
        try:
            rules.append((str(policy.id), parse_rules(policy.rules)))
        except InvalidInputError as error:
            errors[str(policy.id)] = f"its rules cannot be read: {error}"
    with ExitStack() as stack:
        reading = stack.enter_context(warehouse.transaction())
        reading.isolation_level = IsolationLevel.REPEATABLE_READ
        lanes = [Staged(stack.enter_context(warehouse.transaction())) for _ in range(LANES)]
        lane_of = {str(policy.id): place % LANES for place, policy in enumerate(policies)}
        errors |= judge_policies(
            reading, rules, now, lambda key, hits: lanes[lane_of[key]].take(key, hits)
        )
        unjudged = unjudged_violations(reading, dict(rules), now)
        done = Evaluation()
        with ThreadPoolExecutor(LANES) as pool:
            parts = [
                pool.submit(_tell, lane, policies[place::LANES], errors, unjudged, now)
                for place, lane in enumerate(lanes)
            ]
            for part in parts:
                done.add(part.result())
        done.resolved += resolve_disabled(lanes[0].connection)
    return done


def _tell(
    lane: Staged,
    policies: Sequence[StoredPolicy],
    errors: Mapping[str, str],
    unjudged: Mapping[str, Sequence[UUID]],
    now: datetime,
) -> Evaluation:
    """Bring the violations of a lane's policies up to date, one policy after the other."""
    lane.finish()
    done = Evaluation()
    for policy in policies:
        error = errors.get(str(policy.id))
        if error is not None:
            done.failed[policy.name] = error
            keep_error(lane.connection, policy, now, error)
            continue
        kept = keep_violations(lane.connection, policy, now, unjudged.get(str(policy.id), ()))
        if kept is None:
            done.overtaken.append(policy.name)
            continue
        done.judged += 1
        done.found += kept.found
        done.opened += kept.opened
        done.resolved += kept.resolved
    return done
