-- What was ever believed, under FOCUS names. FOCUS 1.3 renamed who provides: both names are filled.
with source as (

    select
        costs.*,
        canonical.team,
        canonical.environment,
        canonical.cost_center,
        canonical.application
    from {{ source('oco', 'cloud_costs') }} as costs
    left join {{ ref('stg_canonical_tags') }} as canonical
        on costs.tags = canonical.tags

),

renamed as (

    select
        availability_zone,
        billed_cost,
        billing_account_id,
        billing_account_name,
        billing_account_type,
        billing_currency,
        billing_period_end,
        billing_period_start,
        capacity_reservation_id,
        capacity_reservation_status,
        charge_category,
        charge_class,
        charge_description,
        charge_frequency,
        charge_period_end,
        charge_period_start,
        commitment_discount_category,
        commitment_discount_id,
        commitment_discount_name,
        commitment_discount_quantity,
        commitment_discount_status,
        commitment_discount_type,
        commitment_discount_unit,
        usage_quantity as consumed_quantity,
        usage_unit as consumed_unit,
        contracted_cost,
        contracted_unit_price,
        effective_cost,
        invoice_id,
        coalesce(invoice_issuer_name, provider_name, service_provider_name, provider) as invoice_issuer_name,
        list_cost,
        list_unit_price,
        pricing_category,
        -- Prices without a currency of their own are in that of the bill.
        coalesce(pricing_currency, billing_currency) as pricing_currency,
        pricing_currency_contracted_unit_price,
        coalesce(
            pricing_currency_effective_cost,
            case when coalesce(pricing_currency, billing_currency) = billing_currency then effective_cost end
        ) as pricing_currency_effective_cost,
        pricing_currency_list_unit_price,
        pricing_quantity,
        pricing_unit,
        coalesce(provider_name, service_provider_name, provider) as provider_name,
        coalesce(publisher_name, service_provider_name, provider_name, provider) as publisher_name,
        region as region_id,
        region_name,
        resource_id,
        resource_name,
        resource_type,
        coalesce(service_category, 'Other') as service_category,
        service as service_name,
        -- From 1.2 on FOCUS wants one in every charge: `Other (…)` is its word for none that fits.
        coalesce(
            service_subcategory, 'Other (' || coalesce(service_category, 'Other') || ')'
        ) as service_subcategory,
        sku_id,
        sku_meter,
        sku_price_details,
        sku_price_id,
        sub_account_id,
        sub_account_name,
        sub_account_type,
        tags,
        allocated_method_details,
        allocated_method_id,
        allocated_resource_id,
        allocated_resource_name,
        allocated_tags,
        contract_applied,
        coalesce(host_provider_name, provider_name, service_provider_name, provider) as host_provider_name,
        coalesce(service_provider_name, provider_name, provider) as service_provider_name,
        {{ spend_source('tags') }} as x_source,
        provider as x_provider,
        account_id as x_account_id,
        date as x_usage_date,
        team as x_team,
        environment as x_environment,
        cost_center as x_cost_center,
        application as x_application,
        cost_usd as x_billed_cost_usd,
        effective_cost * usd_rate as x_effective_cost_usd,
        list_cost * usd_rate as x_list_cost_usd,
        contracted_cost * usd_rate as x_contracted_cost_usd,
        usd_rate as x_usd_rate,
        case when estimated then 'estimated' else 'exact' end as x_cost_status,
        estimated as x_estimated,
        null::bigint as x_requests,
        null::text as x_agent_id,
        null::text as x_user_id,
        null::text as x_model,
        source_partition as x_source_partition,
        valid_from as x_valid_from,
        valid_to as x_valid_to
    from source

)

select * from renamed
