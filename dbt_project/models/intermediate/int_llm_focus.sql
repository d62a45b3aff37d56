-- One row an hour for each kind of call and token direction. Calls without a price are left out:
-- FOCUS allows no unknown cost, and 0 would be a lie. fct_llm_usage_daily counts them.
with priced_calls as (
    select
        *,
        date_trunc('hour', requested_at, 'UTC') as charge_hour
    from {{ ref('stg_api_requests') }}
    where
        cost_usd is not null
        and {{ is_counted_in_ledger('provider') }}
),

directions as (
    select
        *,
        'Input' as token_direction,
        input_tokens as tokens,
        input_cost_usd as cost
    from priced_calls

    union all

    select
        *,
        'Output' as token_direction,
        output_tokens as tokens,
        output_cost_usd as cost
    from priced_calls
),

hourly as (
    select
        charge_hour,
        provider,
        model,
        service_tier,
        price_version,
        cost_status,
        org_id,
        team_id,
        agent_id,
        user_id,
        tags,
        token_direction,
        sum(coalesce(tokens, 0))::numeric as tokens,
        sum(cost) as cost,
        count(*) as requests
    from directions
    -- A refused call used nothing and cost nothing: it is no charge.
    where coalesce(tokens, 0) != 0 or cost != 0
    group by
        charge_hour,
        provider,
        model,
        service_tier,
        price_version,
        cost_status,
        org_id,
        team_id,
        agent_id,
        user_id,
        tags,
        token_direction
),

labelled as (
    {{ with_canonical_tags('hourly') }}
)

select
    null::text as availability_zone,
    cost as billed_cost,
    -- The gateway does not see the provider's own account: the organization stands in for it.
    coalesce(org_id, 'unattributed') as billing_account_id,
    coalesce(org_id, 'unattributed') as billing_account_name,
    'Organization'::text as billing_account_type,
    'USD'::text as billing_currency,
    date_trunc('month', charge_hour, 'UTC') + interval '1 month' as billing_period_end,
    date_trunc('month', charge_hour, 'UTC') as billing_period_start,
    null::text as capacity_reservation_id,
    null::text as capacity_reservation_status,
    'Usage'::text as charge_category,
    null::text as charge_class,
    model || ': ' || lower(token_direction) || ' tokens' as charge_description,
    'Usage-Based'::text as charge_frequency,
    charge_hour + interval '1 hour' as charge_period_end,
    charge_hour as charge_period_start,
    null::text as commitment_discount_category,
    null::text as commitment_discount_id,
    null::text as commitment_discount_name,
    null::numeric as commitment_discount_quantity,
    null::text as commitment_discount_status,
    null::text as commitment_discount_type,
    null::text as commitment_discount_unit,
    tokens as consumed_quantity,
    'Tokens'::text as consumed_unit,
    cost as contracted_cost,
    cost / nullif(tokens / 1000000, 0) as contracted_unit_price,
    cost as effective_cost,
    null::text as invoice_id,
    {{ llm_provider_name('provider') }} as invoice_issuer_name,
    cost as list_cost,
    cost / nullif(tokens / 1000000, 0) as list_unit_price,
    'Standard'::text as pricing_category,
    'USD'::text as pricing_currency,
    cost / nullif(tokens / 1000000, 0) as pricing_currency_contracted_unit_price,
    cost as pricing_currency_effective_cost,
    cost / nullif(tokens / 1000000, 0) as pricing_currency_list_unit_price,
    trim_scale(tokens / 1000000) as pricing_quantity,
    '1000000 Tokens'::text as pricing_unit,
    {{ llm_provider_name('provider') }} as provider_name,
    {{ llm_provider_name('provider') }} as publisher_name,
    null::text as region_id,
    null::text as region_name,
    null::text as resource_id,
    null::text as resource_name,
    null::text as resource_type,
    'AI and Machine Learning'::text as service_category,
    {{ llm_provider_name('provider') }} || ' API' as service_name,
    'Generative AI'::text as service_subcategory,
    provider || '/' || model || '/' || lower(token_direction) as sku_id,
    token_direction || ' Tokens' as sku_meter,
    jsonb_strip_nulls(
        jsonb_build_object(
            'x_ModelId', model,
            'x_TokenDirection', token_direction,
            'x_ServiceTier', service_tier,
            'x_PriceVersion', price_version
        )
    ) as sku_price_details,
    provider || '/' || model || '/' || lower(token_direction)
    || '/' || coalesce(service_tier, 'standard') || '/' || coalesce(price_version, '') as sku_price_id,
    team_id as sub_account_id,
    team_id as sub_account_name,
    case when team_id is not null then 'Team' end as sub_account_type,
    tags,
    null::jsonb as allocated_method_details,
    null::text as allocated_method_id,
    null::text as allocated_resource_id,
    null::text as allocated_resource_name,
    null::jsonb as allocated_tags,
    null::jsonb as contract_applied,
    {{ llm_provider_name('provider') }} as host_provider_name,
    {{ llm_provider_name('provider') }} as service_provider_name,
    'llm'::text as x_source,
    provider as x_provider,
    coalesce(team_id, org_id, 'unattributed') as x_account_id,
    (charge_hour at time zone 'UTC')::date as x_usage_date,
    -- A tag is only what the caller says of itself.
    coalesce(team_id, tag_team) as x_team,
    tag_environment as x_environment,
    tag_cost_center as x_cost_center,
    tag_application as x_application,
    cost as x_billed_cost_usd,
    cost as x_effective_cost_usd,
    cost as x_list_cost_usd,
    cost as x_contracted_cost_usd,
    1::numeric as x_usd_rate,
    cost_status as x_cost_status,
    cost_status != 'exact' as x_estimated,
    requests as x_requests,
    agent_id as x_agent_id,
    user_id as x_user_id,
    model as x_model,
    null::text as x_source_partition,
    null::timestamptz as x_valid_from
from labelled
