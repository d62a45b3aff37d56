{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="usage_date",
    on_schema_change="append_new_columns",
    indexes=[{"columns": ["usage_date"]}],
    pre_hook="set local work_mem = '256MB'",
) }}
{%- set days = changed_days(this, tag_rules_mark()) %}

-- All that a mart asks of cloud charges and no more, so that one model alone reads every charge. Built
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

-- Not stg_cloud_costs, which joins the team and so on to each charge: here a set of tags is joined once.
charges as (

    select
        date as usage_date,
        provider,
        service,
        service_category,
        billing_account_id,
        billing_account_name,
        account_id,
        sub_account_name,
        region,
        charge_category,
        charge_class,
        charge_frequency,
        pricing_category,
        billing_period_start,
        billing_period_end,
        billing_currency,
        invoice_id,
        commitment_discount_id,
        commitment_discount_type,
        commitment_discount_category,
        commitment_discount_status,
        tags,
        estimated,
        sum(billed_cost) as billed_cost,
        sum(effective_cost) as effective_cost,
        sum(cost_usd) as billed_cost_usd,
        sum(effective_cost * usd_rate) as effective_cost_usd,
        sum(list_cost * usd_rate) as list_cost_usd,
        sum(contracted_cost * usd_rate) as contracted_cost_usd,
        count(*) as charge_count
    from {{ source('oco', 'cloud_costs') }}
    where
        valid_to is null
        and {{ is_changed('date', days) }}
    group by
        date,
        provider,
        service,
        service_category,
        billing_account_id,
        billing_account_name,
        account_id,
        sub_account_name,
        region,
        charge_category,
        charge_class,
        charge_frequency,
        pricing_category,
        billing_period_start,
        billing_period_end,
        billing_currency,
        invoice_id,
        commitment_discount_id,
        commitment_discount_type,
        commitment_discount_category,
        commitment_discount_status,
        tags,
        estimated

)

select
    coalesce(charges.usage_date, days.usage_date) as usage_date,
    {{ spend_source('charges.tags') }} as source,
    charges.provider,
    charges.service,
    coalesce(charges.service_category, 'Other') as service_category,
    charges.billing_account_id,
    charges.billing_account_name,
    charges.account_id,
    charges.sub_account_name,
    coalesce(charges.region, 'none') as region,
    charges.charge_category,
    charges.charge_class,
    charges.charge_frequency,
    charges.pricing_category,
    {{ is_metered('charges') }} as is_metered,
    charges.billing_period_start,
    charges.billing_period_end,
    charges.billing_currency,
    charges.invoice_id,
    charges.commitment_discount_id,
    charges.commitment_discount_type,
    charges.commitment_discount_category,
    charges.commitment_discount_status,
    charges.tags,
    nullif(canonical.team, '') as team,
    charges.estimated as is_estimated,
    charges.billed_cost,
    charges.effective_cost,
    charges.billed_cost_usd,
    charges.effective_cost_usd,
    charges.list_cost_usd,
    charges.contracted_cost_usd,
    coalesce(charges.charge_count, 0) as charge_count,
    days.changed_by
from charges
left join {{ ref('stg_canonical_tags') }} as canonical on charges.tags = canonical.tags
full outer join days on charges.usage_date = days.usage_date
