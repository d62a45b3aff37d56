-- Grain: one cloud charge, under the names that trends and budgets of cloud cost filter and group by.
select
    x_usage_date as usage_date,
    x_provider as provider,
    service_name as service,
    x_account_id as account_id,
    coalesce(region_id, 'none') as region,
    coalesce(resource_id, 'none') as resource,
    coalesce(sku_id, 'none') as sku,
    coalesce(x_team, 'untagged') as team,
    charge_category,
    tags,
    x_billed_cost_usd as billed_cost_usd,
    x_effective_cost_usd as effective_cost_usd,
    -- What comes once a month, once at all, or in correction of another month says nothing of a day's use.
    charge_category = 'Usage'
    and coalesce(charge_class, '') != 'Correction'
    and coalesce(charge_frequency, 'Usage-Based') = 'Usage-Based' as is_metered
from {{ ref('focus_cost_and_usage') }}
where x_source in ('cloud', 'resilience')
