"""Overlaps: the sum of what is open can be had, in any world."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.optimizer.overlaps import RANK, net
from oco_pipelines.optimizer.recommendation import Key, Recommendation, Resource

REMOVALS = RANK[:9]


def said(
    rule: str, resource: str, savings: str, claims: dict[str, str] | None = None
) -> Recommendation:
    claims = {resource: "100"} if claims is None else claims
    return Recommendation(
        Resource("aws", "111", resource, "aws.ec2"),
        rule,
        "title",
        "description",
        Decimal(savings),
        Decimal(1),
        {},
        {key(name): Decimal(usd) for name, usd in claims.items()},
    )


def key(name: str) -> Key:
    return ("aws", "111", name)


def netted(*found: Recommendation) -> dict[tuple[str, str], Decimal]:
    return {
        (one.recommendation_type, one.resource.resource_id): one.estimated_monthly_savings
        for one in net(found).recommendations
    }


def test_an_idle_machine_is_not_made_smaller_too() -> None:
    idle, smaller = said("idle_instance", "i", "100"), said("rightsize_instance", "i", "50")
    assert netted(smaller, idle) == {("idle_instance", "i"): 100}


def test_a_schedule_saves_its_hours_of_the_smaller_machine() -> None:
    smaller, schedule = said("rightsize_instance", "i", "50"), said("off_hours", "i", "70")
    # 50 are left of 100, and the machine is off for 70 % of the time.
    assert netted(schedule, smaller) == {
        ("rightsize_instance", "i"): 50,
        ("off_hours", "i"): 35,
    }


def test_a_disk_is_deleted_once() -> None:
    stopped = said("stopped_instance", "i", "30", {"vol-1": "10", "vol-2": "20"})
    loose = said("unattached_volume", "vol-1", "10", {"vol-1": "10"})
    assert netted(stopped, loose) == {("stopped_instance", "i"): 30}


def test_what_a_schedule_or_spot_takes_is_no_steady_use() -> None:
    result = net([said("off_hours", "i", "70"), said("rightsize_instance", "j", "50")])
    assert result.unsteady == {key("i")}
    assert result.left[key("j")] == Decimal("0.5")


def test_a_resource_whose_disk_is_claimed_saves_the_rest() -> None:
    image = said("obsolete_image", "ami", "15", {"snap-1": "10", "snap-2": "5"})
    old = said("old_snapshot", "snap-3", "1", {"snap-3": "1"})
    first = said("stopped_instance", "i", "10", {"snap-1": "10"})
    assert netted(image, old, first) == {
        ("stopped_instance", "i"): 10,
        ("obsolete_image", "ami"): 5,
        ("old_snapshot", "snap-3"): 1,
    }


NAMES = st.sampled_from(["a", "b", "c", "d"])
COSTS = st.decimals(0, 1000, places=4)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Decimal], list[Recommendation]]:
    """What four resources cost, and recommendations that each claim some of them."""
    costs = {name: draw(COSTS) for name in "abcd"}
    found = {}
    for rule, resource in draw(st.lists(st.tuples(st.sampled_from(RANK), NAMES), max_size=12)):
        about = {resource} | draw(st.sets(NAMES, max_size=2))
        base = sum((costs[name] for name in about), Decimal(0))
        part = Decimal(1) if rule in REMOVALS else draw(st.decimals(0, 1, places=3))
        one = said(
            rule,
            resource,
            str((base * part).quantize(Decimal("0.01"), "ROUND_DOWN")),
            {name: str(costs[name]) for name in about},
        )
        found[one.identity] = one
    return costs, list(found.values())


@given(worlds())
def test_open_savings_are_never_more_than_what_the_resources_cost(
    world: tuple[dict[str, Decimal], list[Recommendation]],
) -> None:
    costs, found = world
    kept = net(found).recommendations
    # Groups that claim each other's resources are looked at together.
    assert sum(one.estimated_monthly_savings for one in kept) <= sum(costs.values())
    for name, cost in costs.items():
        alone = [one for one in kept if set(one.claims) == {key(name)}]
        assert sum(one.estimated_monthly_savings for one in alone) <= cost


@given(worlds())
def test_a_recommendation_never_grows_by_netting_and_order_does_not_matter(
    world: tuple[dict[str, Decimal], list[Recommendation]],
) -> None:
    _, found = world
    result = net(found)
    alone = {one.identity: one.estimated_monthly_savings for one in found}
    assert all(
        0 < one.estimated_monthly_savings <= alone[one.identity] for one in result.recommendations
    )
    assert net(reversed(found)).recommendations == result.recommendations
