{{ config(indexes=[
    {'columns': ['usage_date', 'provider', 'model']},
    {'columns': ['team_id', 'usage_date']},
]) }}

-- Grain: UTC day × provider × model × endpoint × organization × team × agent × user.
select
    (requested_at at time zone 'UTC')::date as usage_date,
    provider,
    model,
    endpoint,
    coalesce(org_id, 'unattributed') as org_id,
    coalesce(team_id, 'unattributed') as team_id,
    coalesce(agent_id, 'unattributed') as agent_id,
    coalesce(user_id, 'unattributed') as user_id,
    count(*) as requests,
    count(*) filter (where error_type is not null or status_code >= 400) as failed_requests,
    count(*) filter (where is_streamed) as streamed_requests,
    count(*) filter (where was_routed) as routed_requests,
    count(*) filter (where cost_status = 'unpriced') as unpriced_requests,
    count(*) filter (where cost_status in ('partial', 'estimated')) as estimated_requests,
    coalesce(sum(input_tokens), 0)::bigint as input_tokens,
    coalesce(sum(output_tokens), 0)::bigint as output_tokens,
    coalesce(sum(cached_input_tokens), 0)::bigint as cached_input_tokens,
    coalesce(sum(reasoning_tokens), 0)::bigint as reasoning_tokens,
    -- NULL when none of the calls has a price: unknown, not free.
    sum(cost_usd) as cost_usd,
    sum(input_cost_usd) as input_cost_usd,
    sum(output_cost_usd) as output_cost_usd,
    -- A dry run's savings were not saved.
    sum(savings_usd) filter (where was_routed) as savings_usd,
    percentile_disc(0.5) within group (order by latency_ms) as latency_ms_p50,
    percentile_disc(0.95) within group (order by latency_ms) as latency_ms_p95
from {{ ref('stg_api_requests') }}
group by
    (requested_at at time zone 'UTC')::date,
    provider,
    model,
    endpoint,
    coalesce(org_id, 'unattributed'),
    coalesce(team_id, 'unattributed'),
    coalesce(agent_id, 'unattributed'),
    coalesce(user_id, 'unattributed')
