{{ config(materialized='table', indexes=[{'columns': ['usage_date']}]) }}

-- Grain: usage day × source × provider × service × account × charge category × tags. All that a rule
-- can ask of a charge and no more, so that rules are tried on a fraction of the charges. Rules are not
-- in it: int_showback_owned tries them afresh.
with charges as (
    select
        x_usage_date,
        x_source,
        x_provider,
        service_name,
        x_account_id,
        charge_category,
        x_team,
        x_effective_cost_usd,
        x_estimated,
        -- A gateway call's own team is known better than what its caller's tags claim.
        case
            when x_source = 'llm' and x_team is not null then tags || jsonb_build_object('team', x_team)
            else tags
        end as tags
    from {{ ref('focus_cost_and_usage') }}
)

select
    x_usage_date as usage_date,
    x_source as source,
    x_provider as provider,
    service_name as service,
    x_account_id as account_id,
    charge_category,
    tags,
    nullif(x_team, '') as team,
    sum(x_effective_cost_usd) as effective_cost_usd,
    bool_or(x_estimated) as is_estimated
from charges
group by
    x_usage_date,
    x_source,
    x_provider,
    service_name,
    x_account_id,
    charge_category,
    tags,
    x_team
