{{ config(meta={"dagster": {"ref": {"name": "fct_cost_daily"}}}) }}

-- Every dollar of the raw table stands once in what marts are summed from, to the last digit, and every
-- dollar of the view on charges stands once in fct_cost_daily. The view also has model calls, by which
-- alone it and the raw table differ (llm_spend_is_conserved).
with raw_spend as (
    select
        coalesce(sum(cost_usd), 0) as billed,
        coalesce(sum(effective_cost * usd_rate), 0) as effective,
        count(*) as charges
    from {{ source('oco', 'cloud_costs') }}
    where valid_to is null
),

cell_spend as (
    select
        coalesce(sum(billed_cost_usd), 0) as billed,
        coalesce(sum(effective_cost_usd), 0) as effective,
        coalesce(sum(charge_count), 0) as charges
    from {{ ref('int_cloud_cost_cells') }}
),

focus_spend as (
    select
        coalesce(sum(x_billed_cost_usd), 0) as billed,
        coalesce(sum(x_effective_cost_usd), 0) as effective,
        count(*) as charges
    from {{ ref('focus_cost_and_usage') }}
),

daily_spend as (
    select
        coalesce(sum(billed_cost_usd), 0) as billed,
        coalesce(sum(effective_cost_usd), 0) as effective,
        coalesce(sum(charge_count), 0) as charges
    from {{ ref('fct_cost_daily') }}
)

select
    raw_spend.billed as raw_billed,
    cell_spend.billed as cell_billed,
    focus_spend.billed as focus_billed,
    daily_spend.billed as daily_billed
from raw_spend
cross join cell_spend
cross join focus_spend
cross join daily_spend
where
    (raw_spend.billed, raw_spend.effective, raw_spend.charges)
    is distinct from (cell_spend.billed, cell_spend.effective, cell_spend.charges)
    or (focus_spend.billed, focus_spend.effective, focus_spend.charges)
    is distinct from (daily_spend.billed, daily_spend.effective, daily_spend.charges)
