{{ config(meta={"dagster": {"ref": {"name": "fct_showback_month"}}}) }}

-- Sharing cost out moves it between teams and changes no total, to the last digit.
with both_sides as (
    select
        date_trunc('month', usage_date)::date as usage_month,
        source,
        provider,
        service,
        account_id,
        charge_category,
        effective_cost_usd as charged,
        0 as shown
    from {{ ref('fct_cost_daily') }}

    union all

    select
        usage_month,
        source,
        provider,
        service,
        account_id,
        charge_category,
        0 as charged,
        effective_cost_usd as shown
    from {{ ref('fct_showback_month') }}
)

select
    usage_month,
    source,
    provider,
    service,
    account_id,
    charge_category,
    sum(charged) as charged,
    sum(shown) as shown
from both_sides
group by
    usage_month,
    source,
    provider,
    service,
    account_id,
    charge_category
having sum(charged) != sum(shown)
