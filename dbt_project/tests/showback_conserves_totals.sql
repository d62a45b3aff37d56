{{ config(meta={"dagster": {"ref": {"name": "fct_showback_month"}}}) }}

-- Sharing cost out moves it between teams and changes no total, to the last digit.
with both_sides as (
    select
        date_trunc('month', x_usage_date)::date as usage_month,
        x_source as source,
        x_provider as provider,
        service_name as service,
        x_account_id as account_id,
        charge_category,
        x_effective_cost_usd as charged,
        0 as shown
    from {{ ref('focus_cost_and_usage') }}

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
