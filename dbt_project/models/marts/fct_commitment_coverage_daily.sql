{{ config(indexes=[{'columns': ['usage_date', 'provider']}]) }}

-- Grain: usage day × provider × service. Eligible is usage that a commitment could cover: no correction,
-- no unused part, not priced dynamically (spot). A bill does not say which services sell commitments:
-- coverage is stated where the provider's bills show one in the service, and NULL elsewhere.
with usage_charges as (
    select
        usage_date,
        provider,
        service,
        coalesce(
            sum(effective_cost_usd) filter (
                where commitment_discount_status = 'Used' or pricing_category = 'Committed'
            ),
            0
        ) as covered_cost_usd,
        sum(effective_cost_usd) as eligible_cost_usd,
        bool_or(commitment_discount_status = 'Used' or pricing_category = 'Committed') as is_covered,
        bool_or(is_estimated) as is_estimated
    from {{ ref('int_cloud_cost_cells') }}
    where
        charge_category = 'Usage'
        and charge_class is null
        and commitment_discount_status is distinct from 'Unused'
        and coalesce(pricing_category, 'Standard') in ('Standard', 'Committed')
    group by
        usage_date,
        provider,
        service
),

with_history as (
    select
        *,
        coalesce(bool_or(is_covered) over (partition by provider, service), false) as has_commitments
    from usage_charges
)

select
    usage_date,
    provider,
    service,
    covered_cost_usd,
    eligible_cost_usd,
    has_commitments,
    case
        when has_commitments then round(100 * covered_cost_usd / nullif(eligible_cost_usd, 0), 4)
    end as coverage_percent,
    is_estimated
from with_history
