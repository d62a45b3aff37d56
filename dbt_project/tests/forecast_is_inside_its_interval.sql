-- A forecast has all of its figures or a reason why it has none, and lies inside its interval.
select
    scope,
    entity_id,
    horizon,
    period_start
from {{ ref('fct_cost_forecast') }}
where
    (expected_usd is null) != (reason is not null)
    or expected_usd < low_usd
    or expected_usd > high_usd
    or (expected_usd is not null and (low_usd is null or high_usd is null or wape is null))
