"""What rules would hit now. Nothing is written."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from psycopg import IsolationLevel

from oco_warehouse.database import Warehouse
from oco_warehouse.errors import OpenCloudOpsError, PolicyRunError
from oco_warehouse.policy_engine.judging import Hit, judge_policies
from oco_warehouse.policy_rules import Rules, parse_rules

MOST_SHOWN: Final = 1000
_KEY: Final = "dry run"


@dataclass(slots=True)
class DryRun:
    """What a policy would hit.

    Attributes:
        found: how many.
        hits: the first of them, with their evidence.
        by_account: how many in each provider and account.
    """

    found: int = 0
    hits: list[dict[str, Any]] = field(default_factory=list)
    by_account: Counter[str] = field(default_factory=Counter)


def dry_run(warehouse: Warehouse, rules: Rules, shown: int) -> DryRun:
    """Judge rules on all that there is.

    Raises:
        PolicyRunError: when they cannot be judged.
    """
    done = DryRun()

    def take(_: str, hits: list[Hit]) -> None:
        done.found += len(hits)
        for hit in hits:
            subject = hit.subject
            done.by_account[f"{subject.provider} {subject.account_id}".strip()] += 1
            if len(done.hits) < shown:
                done.hits.append(_shown(hit))

    with warehouse.transaction() as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        errors = judge_policies(connection, [(_KEY, rules)], datetime.now(UTC), take)
        connection.rollback()
    if errors:
        raise PolicyRunError(errors[_KEY])
    return done


def _shown(hit: Hit) -> dict[str, Any]:
    subject = hit.subject
    evidence: Mapping[str, Any] = {**subject.facts, **hit.figures}
    return {
        "provider": subject.provider,
        "account_id": subject.account_id,
        "resource_id": subject.resource_id,
        "name": subject.name,
        "owner": subject.owner,
        "evidence": evidence,
    }


def main() -> None:
    """One dry run as a process: its request is JSON on stdin, its answer JSON on stdout.

    The gateway starts it, so that judging takes no time of the calls that it forwards.
    """
    asked = msgspec.json.decode(sys.stdin.buffer.read())
    answer: dict[str, Any]
    try:
        done = dry_run(Warehouse(asked["url"]), parse_rules(asked["rules"]), asked["shown"])
        answer = {"found": done.found, "hits": done.hits, "by_account": dict(done.by_account)}
    except OpenCloudOpsError as error:
        answer = {"error": str(error)}
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
