"""Calibration: what is told is how often it came true, also of a future that was held back."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.calibration import by_tenths, simulate
from benchmarks.calibration_plot import plot
from oco_pipelines.optimizer.calibration import Calibration, Outcome, calibrate

RULE = "idle_instance"


def cases(raw: str, hits: int, misses: int, rule: str = RULE) -> list[Outcome]:
    return [Outcome(rule, Decimal(raw), place < hits) for place in range(hits + misses)]


def test_a_bin_tells_its_hits_among_its_cases() -> None:
    made = calibrate([*cases("0.9", 88, 10), *cases("0.5", 39, 59)])
    # (88 + 1) / (98 + 2) and (39 + 1) / (98 + 2).
    assert made.stated(RULE, Decimal("0.95")) == Decimal("0.89")
    assert made.stated(RULE, Decimal("0.9")) == Decimal("0.89")
    assert made.stated(RULE, Decimal("0.89")) == Decimal("0.40")
    assert made.stated(RULE, Decimal("0.1")) == Decimal("0.40")


def test_where_the_surer_claim_comes_true_less_often_both_are_told_alike() -> None:
    made = calibrate([*cases("0.9", 40, 60), *cases("0.5", 60, 40)])
    assert made.stated(RULE, Decimal("0.9")) == made.stated(RULE, Decimal("0.5"))
    assert made.stated(RULE, Decimal("0.9")) == Decimal("0.50")


def test_a_rule_with_few_outcomes_takes_those_of_all_rules() -> None:
    made = calibrate([*cases("0.9", 49, 0), *cases("0.9", 29, 20, "old_snapshot")])
    assert made.stated(RULE, Decimal("0.9")) == Decimal("0.79")  # (78 + 1) / (98 + 2)


def test_before_there_are_outcomes_the_formula_is_told() -> None:
    assert calibrate(cases("0.9", 49, 0)).stated(RULE, Decimal("0.77")) == Decimal("0.77")
    assert Calibration(()).stated(RULE, Decimal("0.77")) == Decimal("0.77")


OUTCOMES = st.lists(
    st.builds(
        Outcome,
        st.sampled_from([RULE, "old_snapshot"]),
        st.integers(0, 100).map(lambda percent: Decimal(percent) / 100),
        st.booleans(),
    ),
    max_size=300,
)


@given(OUTCOMES)
def test_bins_have_enough_cases_lose_none_and_rise_with_the_formula(
    outcomes: list[Outcome],
) -> None:
    made = calibrate(outcomes, floor=20)
    for rule in {one.recommendation_type for one in made.bins}:
        bins = [one for one in made.bins if one.recommendation_type == rule]
        known = [outcome for outcome in outcomes if rule in {"all", outcome.recommendation_type}]
        assert all(one.cases >= 20 for one in bins)
        assert sum(one.cases for one in bins) == len(known)
        assert sum(one.hits for one in bins) == sum(outcome.hit for outcome in known)
        told = [made.stated(rule, Decimal(percent) / 100) for percent in range(101)]
        assert told == sorted(told)


def test_of_a_future_that_is_held_back_as_much_comes_true_as_is_stated() -> None:
    claims = simulate(seed=7, rounds=2, resources=640, held_back=800)
    tenths = by_tenths([(claim.stated, claim.hit) for claim in claims])
    assert len(claims) > 600
    assert len(tenths) >= 3
    assert max(tenth.gap_points for tenth in tenths) <= 10
    assert plot(tenths, tenths).count("<circle") == 2 * len(tenths) + 2
    # The formula alone ranks claims, but says too little of most of them.
    alone = by_tenths([(claim.raw, claim.hit) for claim in claims])
    assert max(tenth.gap_points for tenth in alone) > 10
