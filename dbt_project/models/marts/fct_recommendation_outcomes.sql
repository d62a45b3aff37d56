-- Grain: one claim, which is a life of a recommendation.
select
    recommendation_id,
    life,
    recommendation_type,
    provider,
    account_id,
    resource_id,
    resource_type,
    status,
    opened_at,
    observed_at,
    coalesce(basis, 'pending') as basis,
    hit as is_hit,
    raw_confidence,
    stated_confidence,
    least(floor(stated_confidence * 10)::integer, 9) + 1 as confidence_decile,
    claimed_savings_usd,
    realised_savings_usd,
    trim_scale(round(realised_savings_usd / nullif(claimed_savings_usd, 0), 4)) as realised_share
from {{ ref('stg_recommendation_outcomes') }}
