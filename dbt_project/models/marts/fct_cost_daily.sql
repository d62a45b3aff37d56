{{ config(indexes=[
    {"columns": ["usage_date", "provider"]},
    {"columns": ["team", "usage_date"]},
    {"columns": ["service", "usage_date"]},
    {"columns": ["account_id", "usage_date"]},
]) }}

-- Grain: usage day × source × provider × service × account × region × team × charge category.
select
    usage_date,
    source,
    provider,
    service,
    account_id,
    region,
    coalesce(team, 'untagged') as team,
    charge_category,
    sum(billed_cost_usd) as billed_cost_usd,
    sum(effective_cost_usd) as effective_cost_usd,
    sum(list_cost_usd) as list_cost_usd,
    sum(contracted_cost_usd) as contracted_cost_usd,
    bool_or(is_estimated) as is_estimated,
    sum(charge_count)::bigint as charge_count
from {{ ref('int_cloud_cost_cells') }}
group by
    usage_date,
    source,
    provider,
    service,
    account_id,
    region,
    coalesce(team, 'untagged'),
    charge_category

union all

select
    x_usage_date as usage_date,
    x_source as source,
    x_provider as provider,
    service_name as service,
    x_account_id as account_id,
    coalesce(region_id, 'none') as region,
    coalesce(x_team, 'untagged') as team,
    charge_category,
    sum(x_billed_cost_usd) as billed_cost_usd,
    sum(x_effective_cost_usd) as effective_cost_usd,
    sum(x_list_cost_usd) as list_cost_usd,
    sum(x_contracted_cost_usd) as contracted_cost_usd,
    bool_or(x_estimated) as is_estimated,
    count(*) as charge_count
from {{ ref('int_llm_focus') }}
group by
    x_usage_date,
    x_source,
    x_provider,
    service_name,
    x_account_id,
    coalesce(region_id, 'none'),
    coalesce(x_team, 'untagged'),
    charge_category
