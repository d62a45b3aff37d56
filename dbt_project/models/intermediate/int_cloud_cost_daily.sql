{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="usage_date",
    on_schema_change="append_new_columns",
    indexes=[{"columns": ["usage_date"]}],
) }}
{%- set days = changed_days(this, tag_rules_mark()) %}

-- Grain: usage day × source × provider × service × account × region × team × charge category. Built
-- again for days that loads have changed, and whole when the rules for tags are others. A day that has no
-- charge any more keeps one empty row, which takes the place of its old ones. What changed a day is read
-- in the statement that reads its charges, so that a load which ends in between is seen the next time.
with days as (

    select
        date as usage_date,
        changed_by || {{ tag_rules_mark() }} as changed_by
    from {{ source('oco', 'cloud_cost_days') }}
    where {{ is_changed('date', days) }}

),

charges as (

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
    from {{ ref('stg_cloud_costs') }}
    where {{ is_changed('x_usage_date', days) }}
    group by
        x_usage_date,
        x_source,
        x_provider,
        service_name,
        x_account_id,
        coalesce(region_id, 'none'),
        coalesce(x_team, 'untagged'),
        charge_category

)

select
    coalesce(charges.usage_date, days.usage_date) as usage_date,
    charges.source,
    charges.provider,
    charges.service,
    charges.account_id,
    charges.region,
    charges.team,
    charges.charge_category,
    charges.billed_cost_usd,
    charges.effective_cost_usd,
    charges.list_cost_usd,
    charges.contracted_cost_usd,
    charges.is_estimated,
    coalesce(charges.charge_count, 0) as charge_count,
    days.changed_by
from charges
full outer join days on charges.usage_date = days.usage_date
