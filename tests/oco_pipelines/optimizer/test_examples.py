"""docs/recommendations.md says what rules say: the figures of its examples are computed here."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from oco_pipelines.optimizer.overlaps import RANK
from oco_pipelines.optimizer.recommendation import Recommendation
from oco_pipelines.optimizer.thresholds import Thresholds
from tests.oco_pipelines.optimizer.examples import examples

PAGE = (Path(__file__).parents[3] / "docs/recommendations.md").read_text()
# | `rule` | example | formula | $saving | confidence |
ROW = re.compile(r"^\| `(\w+)` \|.*\| \$([\d,.]+) \| ([\d.]+) \|$", re.MULTILINE)
# Figures worked out by hand.
BY_HAND = {
    "idle_instance": ("315.00", "0.90"),  # 10.50 × 30; 1 − max(1/5, 100/1000) / 2
    "stopped_instance": ("30.00", "0.95"),  # (0.80 + 0.20) × 30; 1 − 1 / 10 / 2
    "unattached_volume": ("7.50", "0.90"),  # 0.25 × 30; 1 − 1 / 5 / 2
    "idle_load_balancer": ("18.00", "0.76"),  # 0.60 × 30; 1 − 48 / 100 / 2
    "idle_nat_gateway": ("32.40", "0.98"),  # 1.08 × 30; 1 − 240 000 / 5 000 000 / 2
    "unused_address": ("3.60", "0.88"),  # 0.12 × 30; 1 − 7 / 28 / 2
    "old_snapshot": ("3.00", "0.75"),  # 0.10 × 30; 1 − 37 / 74 / 2
    "obsolete_image": ("6.00", "0.75"),  # 0.20 × 30; 1 − 97 / 194 / 2
    "idle_database": ("123.00", "1.00"),  # 4.10 × 30
    "rightsize_instance": ("280.32", "0.56"),  # (0.768 − 0.384) × 730; 1 − 70 / 80 / 2
    "previous_generation": ("10.95", "1.00"),  # (0.100 − 0.085) × 730
    "storage_class": ("9.00", "0.69"),  # 22.50 × 40 %; (1 − 150 / 1000 / 2) × 0.75
    "off_hours": ("42.98", "0.80"),  # 0.085 × 118 × 30 / 7; 1 − 2 / 5 / 2
    "spot_instance": ("180.00", "0.75"),  # 300 × (1 − 0.38 / 0.95); 1 − 10 / 20 / 2
    "commitment": ("194.40", "0.75"),  # 1 × 27 % × 720; 1 × 0.75
}


@pytest.fixture(scope="module")
def found() -> dict[str, Recommendation]:
    return examples()


@pytest.mark.parametrize("rule", BY_HAND)
def test_an_example_saves_what_was_worked_out_by_hand(
    found: dict[str, Recommendation], rule: str
) -> None:
    one = found[rule]
    assert (str(one.estimated_monthly_savings), str(one.confidence)) == BY_HAND[rule]
    assert one.recommendation_type == rule
    assert sum(one.claims.values()) >= one.estimated_monthly_savings


def test_the_page_shows_the_figures_of_its_examples(found: dict[str, Recommendation]) -> None:
    shown = {
        rule: (Decimal(usd.replace(",", "")), Decimal(sure))
        for rule, usd, sure in ROW.findall(PAGE)
    }
    assert shown == {
        rule: (one.estimated_monthly_savings, one.confidence) for rule, one in found.items()
    }


def test_every_rule_has_thresholds_a_rank_and_an_example(
    found: dict[str, Recommendation],
) -> None:
    assert set(RANK) == set(found)
    assert set(RANK) | {"cost_days"} == set(Thresholds.model_fields)


def test_the_page_names_every_threshold_with_its_default() -> None:
    for rule, limits in Thresholds():
        if rule == "cost_days":
            continue
        for name, value in limits:
            if isinstance(value, bool | dict | tuple):
                continue
            assert f"`{name}` {value}" in PAGE, f"{rule}.{name}"
