"""What the router promises, for any catalogue, price, policy and shape."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oco_proxy.router.catalogue import TIERS, Catalogue, ModelTier, shipped_models
from oco_proxy.router.decision import Decision, decide, effort_of, is_capable
from oco_proxy.router.features import Features
from oco_proxy.router.market import MAX_REMEMBERED, WINDOW, Market
from oco_proxy.router.policies import STRATEGIES, Policies, RoutingPolicy
from oco_warehouse.pricing import Price, PriceTable, Usage, price_usage

AT = datetime(2026, 11, 23, tzinfo=UTC)
MODELS = ("a", "b", "c", "d")
SCALES = st.sampled_from([Decimal(n) for n in ("0.01", "0.1", "1", "5")])
ODD = st.sampled_from([Decimal(1)] * 20 + [Decimal(30), Decimal("0.5")])


@st.composite
def prices(draw: st.DrawFn) -> PriceTable:
    """Sisters whose prices are mostly in one proportion, and sometimes dearer in one part."""
    known = draw(st.sets(st.sampled_from(["cached_input", "cache_write", "reasoning"])))
    bounds = draw(st.sampled_from([[0], [0], [0, 1000], [0, 200_000]]))
    tier = draw(st.sampled_from(["standard"] * 9 + ["flex"]))
    rows: list[Price] = []
    for model in MODELS:
        scale = Decimal(50) if model == "a" else draw(SCALES)
        own_bounds = draw(st.sampled_from([bounds, bounds, [0]]))
        for bound in own_bounds:
            more: dict[str, Any] = {name: scale * draw(ODD) * 2 for name in sorted(known)}
            price = Price(
                provider="openai",
                model=model,
                input=scale * draw(ODD) * (2 if bound else 1),
                output=draw(st.sampled_from([*[scale * 4] * 19, None])),
                price_version="test",
                service_tier=tier,
                min_context_tokens=bound,
                cache_write_1h=draw(st.sampled_from([None, None, None, scale * 4])),
                audio_input=draw(st.sampled_from([None, None, None, scale * 9])),
                per_request=draw(st.sampled_from([Decimal(0)] * 19 + [Decimal("0.01")])),
                tool_prices=draw(st.sampled_from([{}, {}, {}, {"search": scale}])),
                **more,
            )
            rows += [price, replace(price, provider="other", input=Decimal(0), output=Decimal(0))]
    return PriceTable(rows)


FLAGS = ("tools", "images", "files", "audio", "json_output", "reasoning", "sampling")


LACKS = st.sets(st.sampled_from(FLAGS), max_size=2)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    models = []
    for provider in ("openai", "other"):
        for model in MODELS:
            lacks = draw(LACKS)
            able: dict[str, Any] = {flag: flag not in lacks for flag in FLAGS}
            models.append(
                ModelTier(
                    provider=provider,
                    model=model,
                    tier=draw(st.sampled_from(TIERS)),
                    quality=draw(st.integers(0, 5)),
                    context_tokens=draw(st.sampled_from([1_000_000, 1_000_000, 200_000, 8_000])),
                    max_output_tokens=draw(st.sampled_from([64_000, 64_000, 4_000, 500])),
                    enabled=draw(st.sampled_from([True, True, True, False])),
                    **able,
                )
            )
    return Catalogue(models)


FEW = st.sampled_from([0] * 12 + [1, 30])
SELDOM = st.sampled_from([False] * 9 + [True])
SHAPES = st.builds(
    Features,
    provider=st.just("openai"),
    model=st.sampled_from(["a"] * 6 + ["b", "a-2026-01-01", "unknown"]),
    input_bound=st.sampled_from([1, 100, 5_000, 100_000, 199_501, 1_200_000]),
    input_tokens=st.integers(1, 1000) | st.integers(1, 300_000),
    output_limit=st.sampled_from([None, None, 0, 500, 501, 4_000, 64_000, 70_000]),
    service_tier=st.sampled_from([None, None, None, "auto", "default", "flex"]),
    turns=st.integers(1, 3) | st.integers(1, 40),
    tools=FEW,
    images=FEW,
    files=FEW,
    audio=FEW,
    json_output=SELDOM,
    reasoning=SELDOM,
    sampling=SELDOM,
    caches=SELDOM,
    pinned=st.sampled_from([None] * 9 + ["container"]),
)
POLICIES = st.builds(
    RoutingPolicy,
    id=st.just("p"),
    scope=st.just("agent"),
    entity_id=st.just("bot"),
    strategy=st.sampled_from(STRATEGIES),
    mode=st.just("enforce"),
    allowed_models=st.sampled_from([None, None, None, frozenset("ab"), frozenset("c")]),
)
PARTS = st.integers(0, 400_000) | st.integers(0, 2000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts whose parts are inside their wholes, as a provider says them."""
    cached, written, audio, plain = (draw(PARTS) for _ in range(4))
    reasoning, spoken, said = (draw(PARTS) for _ in range(3))
    return Usage(
        input_tokens=cached + written + audio + plain,
        output_tokens=reasoning + spoken + said,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=draw(st.integers(0, written)),
        reasoning_tokens=reasoning,
        audio_input_tokens=audio,
        audio_output_tokens=spoken,
        tool_uses=draw(st.dictionaries(st.sampled_from(["search", "code"]), st.integers(0, 9))),
    )


def test_a_routed_call_keeps_every_promise() -> None:
    routed = 0

    @settings(max_examples=150)
    @given(SHAPES, POLICIES, catalogues(), prices(), st.lists(usages(), min_size=2, max_size=4))
    def check(
        shape: Features,
        policy: RoutingPolicy,
        catalogue: Catalogue,
        table: PriceTable,
        used: list[Usage],
    ) -> None:
        nonlocal routed
        decision = decide(shape, policy, Market(catalogue, table), AT)
        assert decision == decide(shape, policy, Market(catalogue, table), AT)
        assert decision.original == shape.model
        if decision.routed is None:
            assert decision.expected_saving is None
            return
        routed += 1
        keeps_its_promises(decision, shape, policy, catalogue)
        before = table.find("openai", (shape.model,), AT, shape.service_tier)
        after = table.find("openai", (decision.routed,), AT, shape.service_tier)
        for usage in used:
            dear, cheap = price_usage(before, usage).cost_usd, price_usage(after, usage).cost_usd
            assert dear is not None and cheap is not None and cheap <= dear

    check()
    assert routed >= 5, "the examples route too seldom to show anything"


def keeps_its_promises(
    decision: Decision, shape: Features, policy: RoutingPolicy, catalogue: Catalogue
) -> None:
    original = catalogue.find("openai", shape.model)
    routed = catalogue.find("openai", decision.routed or "")
    assert original is not None and routed is not None
    assert routed in catalogue.of_provider("openai") and routed.enabled
    assert routed.model not in {shape.model, original.model}
    assert policy.allowed_models is None or routed.model in policy.allowed_models
    assert shape.pinned is None and is_capable(routed, shape)
    assert decision.expected_saving is not None and decision.expected_saving > 0
    if policy.strategy == "quality_first" and routed.quality < original.quality:
        assert effort_of(shape) == "simple" and routed.tier != "economy"


@given(SHAPES, catalogues())
def test_no_needed_capability_is_dropped(shape: Features, catalogue: Catalogue) -> None:
    for model in catalogue.of_provider("openai"):
        lacks = [flag for flag in FLAGS if getattr(shape, flag) and not getattr(model, flag)]
        too_small = shape.input_bound + (shape.output_limit or 0) > model.context_tokens
        too_short = (shape.output_limit or 0) > model.max_output_tokens
        if lacks or too_small or too_short:
            assert not is_capable(model, shape)


def shape_of(model: str, **more: Any) -> Features:
    size = more.pop("size", 400)
    return Features(
        "openai", model, input_bound=size * 4, input_tokens=size, output_limit=300, **more
    )


def table_of(**inputs: str) -> PriceTable:
    return PriceTable(
        Price("openai", name.replace("_", "."), Decimal(amount), Decimal(amount) * 4, "test")
        for name, amount in inputs.items()
    )


OURS = Catalogue(
    [
        ModelTier("openai", "best", "premium", 9, 200_000, 64_000, tools=True, images=True),
        ModelTier("openai", "middle", "standard", 6, 200_000, 64_000, tools=True, images=True),
        ModelTier("openai", "small", "economy", 4, 200_000, 64_000, tools=True),
        ModelTier("openai", "tiny", "economy", 1, 8_000, 500),
    ]
)
PRICES = table_of(best="10", middle="3", small="1", tiny="0.1")


@pytest.mark.parametrize(
    ("strategy", "shape", "expected"),
    [
        ("quality_first", shape_of("best"), "middle"),
        ("quality_first", shape_of("middle"), None),
        ("quality_first", shape_of("best", tools=2), None),
        ("balanced", shape_of("best"), "small"),
        ("balanced", shape_of("best", tools=2), "middle"),
        ("balanced", shape_of("best", size=20_000), None),
        ("cost_optimized", shape_of("best"), "tiny"),
        ("cost_optimized", shape_of("best", tools=2), "small"),
        ("cost_optimized", shape_of("best", images=1), "middle"),
        ("cost_optimized", shape_of("best", size=40_000), "middle"),
        ("cost_optimized", shape_of("small"), "tiny"),
        ("balanced", shape_of("small"), None),
        ("cost_optimized", shape_of("tiny"), None),
        ("cost_optimized", shape_of("best", pinned="container"), None),
        ("cost_optimized", shape_of("stranger"), None),
        ("cost_optimized", shape_of("best-2026-10-01"), "tiny"),
    ],
)
def test_each_strategy_is_as_bold_as_it_says(
    strategy: Any, shape: Features, expected: str | None
) -> None:
    policy = RoutingPolicy("p", "agent", "bot", strategy, "enforce")
    assert decide(shape, policy, Market(OURS, PRICES), AT).routed == expected


def test_a_prompt_that_a_cache_would_serve_moves_only_where_reading_it_anew_is_no_dearer() -> None:
    policy = RoutingPolicy("p", "agent", "bot", "cost_optimized", "enforce")
    dear = Price("openai", "best", Decimal(10), Decimal(40), "t", cached_input=Decimal(1))
    for cheap, expected in (("1", "small"), ("1.01", None)):
        small = Price(
            "openai", "small", Decimal(cheap), Decimal(4), "t", cached_input=Decimal("0.5")
        )
        table = PriceTable([dear, small])
        assert (
            decide(shape_of("best", caches=True), policy, Market(OURS, table), AT).routed
            == expected
        )
        assert decide(shape_of("best"), policy, Market(OURS, table), AT).routed == "small"


def test_a_model_that_is_dearer_in_any_part_is_not_cheaper() -> None:
    policy = RoutingPolicy("p", "agent", "bot", "cost_optimized", "enforce")
    dear = Price("openai", "best", Decimal(10), Decimal(40), "t", cached_input=Decimal("0.1"))
    small = Price("openai", "small", Decimal(1), Decimal(4), "t", cached_input=Decimal("0.2"))
    decision = decide(shape_of("best"), policy, Market(OURS, PriceTable([dear, small])), AT)
    assert decision == Decision("best", None, "no_cheaper_model")


def test_a_model_that_reasons_more_unasked_is_not_chosen() -> None:
    policy = RoutingPolicy("p", "agent", "bot", "cost_optimized", "enforce")
    for thinking, expected in ((1, "small"), (2, None)):
        catalogue = Catalogue(
            [
                ModelTier("openai", "best", "premium", 9, 200_000, 64_000, thinking=1),
                ModelTier("openai", "small", "economy", 4, 200_000, 64_000, thinking=thinking),
            ]
        )
        assert decide(shape_of("best"), policy, Market(catalogue, PRICES), AT).routed == expected


def test_a_finer_tokenizer_counts_in_the_price_and_in_the_context() -> None:
    policy = RoutingPolicy("p", "agent", "bot", "cost_optimized", "enforce")

    def routed(dear: str, size: int = 400) -> Decision:
        catalogue = Catalogue(
            [
                ModelTier("openai", "old", "premium", 9, 200_000, 64_000),
                ModelTier("openai", "new", "economy", 4, 10_000, 64_000, token_percent=130),
            ]
        )
        shape = shape_of("old", size=size)
        return decide(shape, policy, Market(catalogue, table_of(old=dear, new="1")), AT)

    assert routed("1.4").routed == "new" and routed("1.4").growth == Decimal("1.3")
    assert routed("1.3").routed is None
    assert routed("2", 1800).routed == "new" and routed("2", 1900).routed is None


def test_a_price_that_begins_to_hold_is_seen_when_its_window_begins() -> None:
    policy = RoutingPolicy("p", "agent", "bot", "cost_optimized", "enforce")
    shape = shape_of("best", tools=1)
    rise = Price("openai", "small", Decimal(99), Decimal(99), "t", effective_from=AT)
    rows = [
        Price("openai", n, Decimal(m), Decimal(m), "t") for n, m in (("best", 10), ("small", 1))
    ]
    market = Market(OURS, PriceTable([*rows, rise]))
    assert decide(shape, policy, market, AT - WINDOW).routed == "small"
    assert decide(shape, policy, market, AT).routed is None
    assert decide(shape, policy, market, AT - WINDOW).routed == "small"


def test_names_that_requests_make_up_do_not_fill_the_memory() -> None:
    market = Market(OURS, PRICES)
    for number in range(5000):
        assert market.stall("openai", f"made-up-{number}", None, AT) == "unknown_model"
    assert len(market._stalls) <= MAX_REMEMBERED + 1
    market.stall("openai", "best", "x" * 10**6, AT)
    assert all(len(tier or "") < 1000 for _, _, tier in market._stalls)


def test_the_policy_nearest_to_the_call_counts() -> None:
    def policy(scope: str, entity: str, mode: Any = "enforce") -> RoutingPolicy:
        return RoutingPolicy(f"{scope}/{entity}", scope, entity, "balanced", mode)

    scopes = [("org", "o"), ("team", "t"), ("tag:job", "x"), ("agent", "a")]
    policies = [policy("org", "o"), policy("agent", "*"), policy("team", "t")]

    def chosen(*more: RoutingPolicy) -> str | None:
        found = Policies([*policies, *more]).choose(scopes)
        return found.id if found else None

    assert chosen() == "team/t"
    assert chosen(policy("tag:job", "x")) == "tag:job/x"
    assert chosen(policy("tag:job", "x"), policy("agent", "a")) == "agent/a"
    assert chosen(policy("agent", "a", "off")) is None
    assert Policies(policies).choose([("agent", "z")]) == policies[1]
    assert Policies(policies).choose([("user", "u")]) is None


def test_the_shipped_models_are_a_catalogue_of_three_providers() -> None:
    models = shipped_models()
    assert {model.provider for model in models} == {"openai", "anthropic", "gemini"}
    assert len({(model.provider, model.model) for model in models}) == len(models)
    assert all(model.tier in TIERS for model in models)
    for provider in ("openai", "anthropic", "gemini"):
        own = [model for model in models if model.provider == provider]
        assert {model.tier for model in own if model.enabled} == set(TIERS)
