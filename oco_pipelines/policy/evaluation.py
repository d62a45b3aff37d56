"""One evaluation of all enabled policies."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from psycopg import IsolationLevel

from oco_pipelines.policy.policy_store import read_policies
from oco_pipelines.policy.violations import Staged, keep_error, keep_violations, resolve_disabled
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidInputError
from oco_warehouse.policy_engine.judging import judge_policies
from oco_warehouse.policy_rules import Rules, parse_rules


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


def evaluate_policies(warehouse: Warehouse, now: datetime | None = None) -> Evaluation:
    """Judge all enabled policies on one snapshot and bring their violations up to date.

    It may run twice at once, and again at any time: the state is the same. Each policy's violations
    change in a transaction of their own.
    """
    now = now or datetime.now(UTC)
    done = Evaluation()
    policies = [policy for policy in read_policies(warehouse) if policy.enabled]
    with warehouse.transaction() as reading, warehouse.transaction() as writing:
        reading.isolation_level = IsolationLevel.REPEATABLE_READ
        errors: dict[str, str] = {}
        rules: list[tuple[str, Rules]] = []
        for policy in policies:
            try:
                rules.append((str(policy.id), parse_rules(policy.rules)))
            except InvalidInputError as error:
                errors[str(policy.id)] = f"its rules cannot be read: {error}"
        staged = Staged(writing)
        errors |= judge_policies(reading, rules, now, staged.take)
        staged.finish()
        writing.autocommit = True
        # What a crash of the server takes is found again by the next evaluation.
        writing.execute("SET synchronous_commit = off")
        done.resolved += resolve_disabled(writing)
        for policy in policies:
            error_line = errors.get(str(policy.id))
            if error_line is not None:
                done.failed[policy.name] = error_line
                keep_error(writing, policy, now, error_line)
                continue
            kept = keep_violations(writing, policy, now)
            if kept is None:
                done.overtaken.append(policy.name)
                continue
            done.judged += 1
            done.found += kept.found
            done.opened += kept.opened
            done.resolved += kept.resolved
    return done
