{{ config(indexes=[{'columns': ['billing_period', 'provider']}]) }}

-- Grain: provider × billing account × invoice × billing period × currency. Invoices sum BilledCost.
with charged as (
    select
        provider,
        billing_account_id,
        coalesce(invoice_id, 'none') as invoice_id,
        (billing_period_start at time zone 'UTC')::date as billing_period,
        billing_currency as currency,
        sum(billed_cost) as billed_cost,
        sum(charge_count)::bigint as charge_count,
        bool_or(is_estimated) as is_estimated
    from {{ ref('int_cloud_cost_cells') }}
    group by
        provider,
        billing_account_id,
        coalesce(invoice_id, 'none'),
        (billing_period_start at time zone 'UTC')::date,
        billing_currency
),

both_sides as (
    select
        stated.total as stated_total,
        coalesce(charged.provider, stated.provider) as provider,
        coalesce(charged.billing_account_id, stated.billing_account_id) as billing_account_id,
        coalesce(charged.invoice_id, stated.invoice_id) as invoice_id,
        coalesce(charged.billing_period, stated.billing_period) as billing_period,
        coalesce(charged.currency, stated.currency) as currency,
        coalesce(charged.billed_cost, 0) as billed_cost,
        coalesce(charged.charge_count, 0) as charge_count,
        coalesce(charged.is_estimated, false) as is_estimated
    from charged
    full outer join {{ ref('stg_invoices') }} as stated
        on
            charged.provider = stated.provider
            and charged.billing_account_id = stated.billing_account_id
            and charged.invoice_id = stated.invoice_id
            and charged.billing_period = stated.billing_period
            and charged.currency = stated.currency
)

select
    provider,
    billing_account_id,
    invoice_id,
    billing_period,
    currency,
    billed_cost,
    charge_count,
    coalesce(
        sum(charge_count) filter (where invoice_id = 'none')
            over (partition by provider, billing_account_id, billing_period, currency),
        0
    )::bigint as charges_without_invoice_id,
    stated_total,
    billed_cost - stated_total as difference,
    case
        when stated_total is null and invoice_id = 'none' then 'open'
        when stated_total is null then 'no_invoice_stated'
        -- A bill has more decimals than an invoice.
        when
            stated_total
            = round(billed_cost, greatest(scale(stated_total), {{ currency_decimals('currency') }}))
            then 'matched'
        else 'differs'
    end as status,
    is_estimated
from both_sides
