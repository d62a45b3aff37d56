{{ config(indexes=[
    {'columns': ['usage_month', 'team']},
    {'columns': ['team', 'usage_month']},
]) }}

-- Grain: usage month × source × provider × service × account × charge category × team × allocation × rule.
select
    usage_month,
    source,
    provider,
    service,
    account_id,
    charge_category,
    team,
    allocation,
    rule_name,
    takes_remainder,
    effective_cost_usd,
    is_estimated
from {{ ref('int_showback_shares') }}
