{{ config(materialized='table', indexes=[{'columns': ['usage_date']}]) }}

-- Grain: usage day × source × provider × service × account × charge category × tags. All that a rule
-- can ask of a charge and no more, so that rules are tried on a fraction of the charges. Rules are not
-- in it: int_showback_owned tries them afresh.
with cells as (
    select
        usage_date,
        source,
        provider,
        service,
        account_id,
        charge_category,
        tags,
        team,
        effective_cost_usd,
        is_estimated
    from {{ ref('int_cloud_cost_cells') }}

    union all

    select
        x_usage_date as usage_date,
        x_source as source,
        x_provider as provider,
        service_name as service,
        x_account_id as account_id,
        charge_category,
        -- A gateway call's own team is known better than what its caller's tags claim.
        case
            when x_team is not null then tags || jsonb_build_object('team', x_team)
            else tags
        end as tags,
        nullif(x_team, '') as team,
        x_effective_cost_usd as effective_cost_usd,
        x_estimated as is_estimated
    from {{ ref('int_llm_focus') }}
)

select
    usage_date,
    source,
    provider,
    service,
    account_id,
    charge_category,
    tags,
    team,
    sum(effective_cost_usd) as effective_cost_usd,
    bool_or(is_estimated) as is_estimated
from cells
group by
    usage_date,
    source,
    provider,
    service,
    account_id,
    charge_category,
    tags,
    team
