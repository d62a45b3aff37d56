"""One run of the optimizer: read, judge, net, write, measure, calibrate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from oco_pipelines.optimizer.calibration_store import keep_calibration, read_calibration
from oco_pipelines.optimizer.evidence import Evidence, open_evidence
from oco_pipelines.optimizer.judge import RULES, judge
from oco_pipelines.optimizer.measuring import Measured, measure
from oco_pipelines.optimizer.overlaps import RANK, Netted, net
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.rules.commitment import commitment
from oco_pipelines.optimizer.rules.spot_instance import spot_instance
from oco_pipelines.optimizer.store import (
    Standing,
    Written,
    note_attached,
    read_standing,
    write_recommendations,
)
from oco_pipelines.optimizer.thresholds import Thresholds
from oco_warehouse.database import Warehouse
from oco_warehouse.money import exact_sum
from oco_warehouse.recommendation_life import Status


@dataclass(frozen=True, slots=True)
class Run:
    """What a run found and changed.

    Attributes:
        as_of: where its windows ended.
        found: recommendations with their net savings.
        total_usd: their sum.
    """

    as_of: datetime
    found: Sequence[Recommendation]
    written: Written
    measured: Measured
    total_usd: Decimal


def find_recommendations(
    warehouse: Warehouse, thresholds: Thresholds, settling_days: int, now: datetime
) -> Run:
    """Judge everything once and bring the recommendations up to it.

    Args:
        warehouse: the warehouse.
        thresholds: of all rules.
        settling_days: newest days of a bill that are not believed yet.
        now: aware time of the run.
    """
    note_attached(warehouse, now)
    standing = read_standing(warehouse, RANK, now)
    with open_evidence(warehouse, thresholds, settling_days, now) as evidence:
        as_of = evidence.as_of
        found, netted = _judged(evidence, thresholds, standing)
    dismissed = {one.said.identity for one in standing if one.status is Status.DISMISSED}
    attainable = {one.identity: one for one in netted.recommendations}
    said = [
        # What was dismissed takes part in nothing; it is only kept up to date.
        one if one.identity in dismissed else attainable[one.identity]
        for one in found
        if one.identity in dismissed or one.identity in attainable
    ]
    written = write_recommendations(
        warehouse,
        RANK,
        said,
        now,
        calibration=read_calibration(warehouse),
        alone=netted.gross,
        left_over={identity: one.estimated_monthly_savings for identity, one in attainable.items()},
        covered=frozenset(one.identity for one in found) - attainable.keys() - dismissed,
    )
    # Later than judging: what was found again is not taken for done.
    measured = measure(warehouse, RANK, settling_days, now)
    keep_calibration(warehouse, now)
    total = exact_sum(
        one.estimated_monthly_savings for one in said if one.identity not in dismissed
    )
    return Run(as_of, said, written, measured, total)


def _judged(
    evidence: Evidence, thresholds: Thresholds, standing: Sequence[Standing]
) -> tuple[list[Recommendation], Netted]:
    """All that rules find, each alone, and what is left of it beside the others."""
    dismissed = {one.said.identity for one in standing if one.status is Status.DISMISSED}
    found = [one for frames in evidence.batches() for one in judge(frames, thresholds)]
    netted = net(_taking_part(found, standing, dismissed, frozenset(RULES)))
    if thresholds.spot_instance.enabled:
        made = spot_instance(evidence.groups(), thresholds.spot_instance)
        found += made
        netted = _and(netted, _taking_part(made, standing, dismissed, {"spot_instance"}))
    if thresholds.commitment.enabled:
        made = commitment(evidence.spend(netted), thresholds.commitment)
        found += made
        netted = _and(netted, _taking_part(made, standing, dismissed, {"commitment"}))
    return found, netted


def _taking_part(
    found: Sequence[Recommendation],
    standing: Sequence[Standing],
    dismissed: set[tuple[str, tuple[str, str, str]]],
    rules: frozenset[str] | set[str],
) -> list[Recommendation]:
    """What is found and not dismissed, and what still stands although this run did not find it."""
    identities = {one.identity for one in found}
    still = [
        one.said
        for one in standing
        if one.status in {Status.OPEN, Status.REGRESSED}
        and not one.ends
        and one.said.recommendation_type in rules
        and one.said.identity not in identities
    ]
    return [one for one in found if one.identity not in dismissed] + still


def _and(before: Netted, more: Sequence[Recommendation]) -> Netted:
    after = net(more, before)
    return Netted(
        [*before.recommendations, *after.recommendations],
        {**before.gross, **after.gross},
        after.left,
        after.unsteady,
    )
