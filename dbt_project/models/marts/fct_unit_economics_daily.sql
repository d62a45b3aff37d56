{{ config(indexes=[{'columns': ['level', 'entity', 'usage_date']}, {'columns': ['usage_date', 'level']}]) }}

-- Grain: usage day × level × entity. Calls without a price are in neither side of a ratio; a ratio
-- without a denominator is NULL.
with tagged_calls as (
    select
        (requested_at at time zone 'UTC')::date as usage_date,
        team_id,
        tags,
        coalesce(agent_id, 'unattributed') as agent,
        provider || '/' || model as model,
        count(*) as requests,
        count(*) filter (
            where cost_usd is not null and error_type is null and status_code < 400
        ) as priced_requests,
        coalesce(
            sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) filter (where cost_usd is not null), 0
        ) as priced_tokens,
        sum(cost_usd) as llm_cost_usd
    from {{ ref('stg_api_requests') }}
    group by
        (requested_at at time zone 'UTC')::date,
        team_id,
        tags,
        coalesce(agent_id, 'unattributed'),
        provider || '/' || model
),

labelled as (
    {{ with_canonical_tags('tagged_calls') }}
),

-- A call's team is found as int_llm_focus finds it, or a team's calls and its cost would not meet.
calls as (
    select
        labelled.*,
        coalesce(team_id, tag_team, 'untagged') as team
    from labelled
),

usage_by_level as (
    select
        calls.usage_date,
        levels.level,
        levels.entity,
        sum(calls.requests)::bigint as requests,
        sum(calls.priced_requests)::bigint as priced_requests,
        sum(calls.priced_tokens)::bigint as priced_tokens,
        sum(calls.llm_cost_usd) as llm_cost_usd
    from calls
    cross join
        lateral (
            values ('all', 'all'), ('team', calls.team), ('agent', calls.agent), ('model', calls.model)
        ) as levels (level, entity)
    group by calls.usage_date, levels.level, levels.entity
),

-- Clouds and model calls together, each dollar once. A cloud's bill knows no agents and no models.
cost_by_level as (
    select
        costs.usage_date,
        levels.level,
        levels.entity,
        sum(costs.effective_cost_usd) as platform_cost_usd
    from {{ ref('fct_cost_daily') }} as costs
    cross join lateral (values ('all', 'all'), ('team', costs.team)) as levels (level, entity)
    group by costs.usage_date, levels.level, levels.entity

    union all

    select
        usage_date,
        'namespace' as level,
        namespace as entity,
        sum(effective_cost_usd) as platform_cost_usd
    from (
        select
            usage_date,
            {{ kubernetes_namespace('tags') }} as namespace,
            effective_cost_usd
        from {{ ref('int_cloud_cost_cells') }}
        where {{ may_name_namespace('tags') }}
    ) as named
    where namespace is not null
    group by usage_date, namespace
),

both_sides as (
    select
        costs.platform_cost_usd,
        calls.llm_cost_usd,
        coalesce(calls.usage_date, costs.usage_date) as usage_date,
        coalesce(calls.level, costs.level) as level,
        coalesce(calls.entity, costs.entity) as entity,
        coalesce(calls.requests, 0) as requests,
        coalesce(calls.priced_requests, 0) as priced_requests,
        coalesce(calls.priced_tokens, 0) as priced_tokens
    from usage_by_level as calls
    full outer join cost_by_level as costs
        on
            calls.usage_date = costs.usage_date
            and calls.level = costs.level
            and calls.entity = costs.entity
)

select
    usage_date,
    level,
    entity,
    requests,
    priced_requests,
    priced_tokens,
    llm_cost_usd,
    platform_cost_usd,
    round(1000 * llm_cost_usd / nullif(priced_requests, 0), 12) as llm_cost_per_1k_requests_usd,
    round(1000000 * llm_cost_usd / nullif(priced_tokens, 0), 12) as llm_cost_per_1m_tokens_usd,
    round(1000 * platform_cost_usd / nullif(priced_requests, 0), 12) as platform_cost_per_1k_requests_usd
from both_sides
