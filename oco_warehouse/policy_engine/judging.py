"""Judges policies in one pass over each scope: a batch is read once for all policies about it.

A policy that fails is left out from there on, and its error is told; the others go on.
"""

import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from oco_warehouse.database import Connection
from oco_warehouse.errors import PolicyRunError
from oco_warehouse.money import plain
from oco_warehouse.policy_engine import inventory
from oco_warehouse.policy_engine.batch import Batch
from oco_warehouse.policy_engine.budgets import budget_subjects
from oco_warehouse.policy_engine.compiling import Compiled, compile_filters
from oco_warehouse.policy_engine.cost_groups import cost_groups
from oco_warehouse.policy_engine.llm_groups import llm_groups
from oco_warehouse.policy_engine.recovery_points import recovery_points
from oco_warehouse.policy_engine.resource_figures import Sums
from oco_warehouse.policy_engine.subjects import Chunk, Subject
from oco_warehouse.policy_rules import Rules, grammar
from oco_warehouse.policy_rules.filters import (
    Measure,
    looks_at_tags,
    measures_of,
    needs_whole_groups,
)

_OF_RESOURCES: Final = (grammar.ANY_RESOURCE, grammar.BILLED_RESOURCE)


@dataclass(frozen=True, slots=True)
class Hit:
    """A subject that breaks a policy, and the figures of money that say so."""

    subject: Subject
    figures: dict[str, str | None]


Take = Callable[[str, list[Hit]], None]


@dataclass(frozen=True, slots=True)
class _Judge:
    key: str
    rules: Rules
    compiled: Compiled
    measures: Sequence[Measure]
    looks_at_tags: bool

    def rows(self, chunk: Chunk) -> Sequence[int]:
        """Those of a chunk that it judges."""
        return chunk.rows(looks_at_tags=self.looks_at_tags)


class _Pass:
    """One evaluation; policies that failed are in `errors` and are asked nothing more."""

    def __init__(self, take: Take) -> None:
        self.errors: dict[str, str] = {}
        self._take = take

    def run(self, judges: Sequence[_Judge], chunks: Iterable[Chunk]) -> None:
        try:
            for chunk in chunks:
                alive = [judge for judge in judges if judge.key not in self.errors]
                if not alive:
                    return
                for judge in alive:
                    self._ask(judge, chunk)
        except PolicyRunError as error:  # their subjects cannot be read
            self.fail(judges, str(error))

    def fail(self, judges: Sequence[_Judge], error: str) -> None:
        """Ask policies nothing more."""
        for judge in judges:
            self.errors.setdefault(judge.key, error)

    def _ask(self, judge: _Judge, chunk: Chunk) -> None:
        try:
            rows = judge.compiled.judge(chunk.batch, judge.rows(chunk))
            hits = [_hit(judge, chunk, row) for row in rows]
        except PolicyRunError as error:
            self.errors[judge.key] = f"{_culprit(judge, chunk)}{error}"
        else:
            if hits:
                self._take(judge.key, hits)


def judge_policies(
    connection: Connection, policies: Iterable[tuple[str, Rules]], now: datetime, take: Take
) -> dict[str, str]:
    """Judge policies on all that there is.

    Args:
        connection: in a transaction, whose snapshot all policies see.
        policies: (key, rules) of each.
        now: aware; what ages are measured from.
        take: is called with the key of a policy and some of its hits, once or often. Hits of a
            policy that failed are worth nothing.

    Returns:
        Why a policy failed, by its key.
    """
    judges = [_judge(key, rules) for key, rules in policies]
    judging = _Pass(take)
    with _no_collection():
        _judge_all(connection, judging, judges, now)
    return judging.errors


@contextmanager
def _no_collection() -> Iterator[None]:
    """Documents have no cycles; to look for some among so many takes half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _judge_all(
    connection: Connection, judging: _Pass, judges: Sequence[_Judge], now: datetime
) -> None:
    sums = Sums(
        connection,
        {m for one in judges if one.rules.scope in _OF_RESOURCES for m in one.measures},
    )
    _judge_inventory(connection, judging, judges, sums, now)
    billed = defaultdict(list)
    for one in judges:
        if one.rules.scope == grammar.BILLED_RESOURCE:
            billed[one.rules.days].append(one)
    for days, group in billed.items():
        judging.run(group, inventory.billed_resources(connection, days, sums, now))
    for one in judges:
        if one.rules.scope not in _OF_RESOURCES:
            judging.run([one], _few(connection, one, now))


def _judge(key: str, rules: Rules) -> _Judge:
    filters = rules.filters
    return _Judge(
        key, rules, compile_filters(filters), measures_of(filters), looks_at_tags(filters)
    )


def _judge_inventory(
    connection: Connection,
    judging: _Pass,
    judges: Sequence[_Judge],
    sums: Sums,
    now: datetime,
) -> None:
    of_inventory = [one for one in judges if one.rules.scope == grammar.ANY_RESOURCE]
    if not of_inventory:
        return
    for kind in inventory.kinds(connection):
        about = [
            one
            for one in of_inventory
            if kind in one.rules.resources or grammar.ANY_RESOURCE in one.rules.resources
        ]
        whole = [one for one in about if needs_whole_groups(one.rules.filters)]
        largest = inventory.largest_group(connection, kind, now) if whole else 0
        if largest > inventory.LARGEST_GROUP:
            judging.fail(
                whole,
                f"{kind}: an account and region has {largest} resources; resource_count and reduce "
                f"judge at most {inventory.LARGEST_GROUP} together",
            )
            about, whole = [one for one in about if one not in whole], []
        if about:
            chunks = inventory.resources(connection, kind, sums, now, whole_groups=bool(whole))
            judging.run(about, chunks)


def _few(connection: Connection, judge: _Judge, now: datetime) -> Iterator[Chunk]:
    """Subjects of a scope that has few of them, in one chunk."""
    rules = judge.rules
    if rules.scope == grammar.COST:
        yield cost_groups(connection, rules.group_by, rules.days, judge.measures, now)
    elif rules.scope == grammar.LLM_USAGE:
        yield llm_groups(connection, rules.group_by, rules.days, judge.measures, now)
    elif rules.scope == grammar.BUDGET:
        yield budget_subjects(connection, now)
    else:
        yield recovery_points(connection, now)


def _hit(judge: _Judge, chunk: Chunk, row: int) -> Hit:
    figures: dict[str, str | None] = {}
    for measure in judge.measures:
        found = chunk.batch.measured(measure, [row])[row]
        figures[f"{measure.name}_last_{measure.days}d"] = None if found is None else plain(found)
    return Hit(chunk.subjects[row], figures)


def _culprit(judge: _Judge, chunk: Chunk) -> str:
    """The first subject that a policy cannot judge, as the beginning of a line."""
    for row in judge.rows(chunk):
        alone = Batch([chunk.batch.documents[row]], chunk.batch.now)
        try:
            judge.compiled.judge(alone, [0])
        except PolicyRunError:
            return f"{chunk.subjects[row]}: "
    return ""
