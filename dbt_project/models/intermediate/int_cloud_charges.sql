-- Grain: one cloud charge, under the names that trends of cloud cost look for causes by.
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
    {{ is_metered('charges') }} as is_metered
from {{ ref('stg_cloud_costs') }} as charges
