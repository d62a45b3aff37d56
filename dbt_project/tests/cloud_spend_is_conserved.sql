{{ config(meta={"dagster": {"ref": {"name": "fct_cost_daily"}}}) }}

-- Every cloud dollar of the raw table stands once in both marts, to the last digit.
with raw_spend as (
    select
        coalesce(sum(cost_usd), 0) as billed,
        coalesce(sum(effective_cost * usd_rate), 0) as effective,
        count(*) as charges
    from {{ source('oco', 'cloud_costs') }}
    where valid_to is null
),

focus_spend as (
    select
        coalesce(sum(x_billed_cost_usd), 0) as billed,
        coalesce(sum(x_effective_cost_usd), 0) as effective,
        count(*) as charges
    from {{ ref('focus_cost_and_usage') }}
    where x_source in ('cloud', 'resilience')
),

daily_spend as (
    select
        coalesce(sum(billed_cost_usd), 0) as billed,
        coalesce(sum(effective_cost_usd), 0) as effective,
        coalesce(sum(charge_count), 0) as charges
    from {{ ref('fct_cost_daily') }}
    where source in ('cloud', 'resilience')
)

select
    raw_spend.billed as raw_billed,
    focus_spend.billed as focus_billed,
    daily_spend.billed as daily_billed
from raw_spend
cross join focus_spend
cross join daily_spend
where
    (raw_spend.billed, raw_spend.effective, raw_spend.charges)
    is distinct from (focus_spend.billed, focus_spend.effective, focus_spend.charges)
    or (raw_spend.billed, raw_spend.effective, raw_spend.charges)
    is distinct from (daily_spend.billed, daily_spend.effective, daily_spend.charges)
