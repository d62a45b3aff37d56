-- Grain: team. Every team that is registered with the gateway or that showback shows cost to.
with shown as (
    select
        team,
        min(usage_month) as first_month,
        max(usage_month) as last_month
    from {{ ref('fct_showback_month') }}
    where allocation != 'unallocated'
    group by team
)

select
    registered.org_id,
    shown.first_month,
    shown.last_month,
    coalesce(registered.team, shown.team) as team,
    coalesce(registered.name, shown.team) as name,
    registered.team is not null as is_registered
from {{ ref('stg_teams') }} as registered
full outer join shown on registered.team = shown.team
