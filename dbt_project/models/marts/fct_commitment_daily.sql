{{ config(indexes=[{'columns': ['usage_date', 'provider']}, {'columns': ['commitment_id', 'usage_date']}]) }}

-- Grain: usage day × provider × billing account × commitment × currency. What was paid is billed cost,
-- what was used or wasted is effective cost: never add the two.
with charges as (
    select
        usage_date,
        provider,
        billing_account_id,
        commitment_discount_id as commitment_id,
        billing_currency as currency,
        max(commitment_discount_type) as commitment_type,
        max(commitment_discount_category) as commitment_category,
        coalesce(sum(billed_cost) filter (where charge_category = 'Purchase'), 0) as purchased_cost,
        coalesce(sum(effective_cost) filter (where commitment_discount_status = 'Used'), 0) as used_cost,
        coalesce(sum(effective_cost) filter (where commitment_discount_status = 'Unused'), 0) as unused_cost,
        coalesce(sum(effective_cost) filter (where commitment_discount_status is null), 0) as unstated_cost,
        coalesce(sum(billed_cost_usd) filter (where charge_category = 'Purchase'), 0) as purchased_cost_usd,
        coalesce(
            sum(effective_cost_usd) filter (where commitment_discount_status = 'Used'), 0
        ) as used_cost_usd,
        coalesce(
            sum(effective_cost_usd) filter (where commitment_discount_status = 'Unused'), 0
        ) as unused_cost_usd,
        bool_or(is_estimated) as is_estimated
    from {{ ref('int_cloud_cost_cells') }}
    where commitment_discount_id is not null
    group by
        usage_date,
        provider,
        billing_account_id,
        commitment_discount_id,
        billing_currency
)

select
    usage_date,
    provider,
    billing_account_id,
    commitment_id,
    currency,
    commitment_type,
    commitment_category,
    purchased_cost,
    used_cost,
    unused_cost,
    unstated_cost,
    purchased_cost_usd,
    used_cost_usd,
    unused_cost_usd,
    -- Unknown where the bill does not say what was used.
    case
        when unstated_cost = 0 then round(100 * used_cost / nullif(used_cost + unused_cost, 0), 4)
    end as utilization_percent,
    is_estimated
from charges
