{{ config(meta={"dagster": {"ref": {"name": "fct_cost_daily"}}}) }}

-- Every priced LLM dollar of the ledger stands once in each mart, to the last digit.
with ledger as (
    select
        coalesce(sum(cost_usd), 0) as all_spend,
        coalesce(sum(cost_usd) filter (where {{ is_counted_in_ledger('provider') }}), 0) as counted_spend,
        count(*) as requests
    from {{ source('oco', 'api_requests') }}
),

focus_spend as (
    select coalesce(sum(x_billed_cost_usd), 0) as spend
    from {{ ref('int_llm_focus') }}
),

daily_spend as (
    select coalesce(sum(billed_cost_usd), 0) as spend
    from {{ ref('fct_cost_daily') }}
    where source = 'llm'
),

usage_spend as (
    select
        coalesce(sum(cost_usd), 0) as spend,
        coalesce(sum(requests), 0) as requests
    from {{ ref('fct_llm_usage_daily') }}
)

select
    ledger.all_spend,
    ledger.counted_spend,
    focus_spend.spend as focus_spend,
    daily_spend.spend as daily_spend,
    usage_spend.spend as usage_spend
from ledger
cross join focus_spend
cross join daily_spend
cross join usage_spend
where
    ledger.counted_spend != focus_spend.spend
    or ledger.counted_spend != daily_spend.spend
    or ledger.all_spend != usage_spend.spend
    or ledger.requests != usage_spend.requests
