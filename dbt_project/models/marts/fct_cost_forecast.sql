-- Grain: scope × entity × horizon × start. Sum one scope and one horizon only.
select
    scope,
    entity_id,
    horizon,
    period_start,
    period_end,
    as_of,
    actual_usd,
    charges_usd,
    expected_usd,
    low_usd,
    high_usd,
    interval_share,
    method,
    wape,
    naive_wape,
    coverage,
    backtests,
    history_days,
    reason,
    forecast_at
from {{ ref('stg_cost_forecast') }}
