-- What each recommendation claimed when it was opened, and how that ended.
select
    claim.recommendation_id,
    claim.life,
    claim.recommendation_type,
    recommendation.provider,
    recommendation.account_id,
    recommendation.resource_id,
    recommendation.resource_type,
    recommendation.status,
    claim.opened_at,
    claim.raw_confidence,
    claim.stated_confidence,
    claim.estimated_monthly_savings as claimed_savings_usd,
    claim.basis,
    claim.hit,
    claim.realised_monthly_savings as realised_savings_usd,
    claim.observed_at
from {{ source('oco', 'recommendation_outcomes') }} as claim
inner join {{ source('oco', 'optimization_recommendations') }} as recommendation
    on claim.recommendation_id = recommendation.id
