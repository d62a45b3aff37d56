-- What every team gets. A share is rounded at 12 decimals; the team that takes the remainder gets what
-- the others leave, so that the shares of a cost are the cost, to the last digit.
with owned as (
    select * from {{ ref('int_showback_owned') }}
),

direct_cost as (
    select
        usage_month,
        direct_team as team,
        sum(effective_cost_usd) as cost
    from owned
    where allocation = 'direct'
    group by usage_month, direct_team
),

shared_months as (
    select distinct
        usage_month,
        rule_id
    from owned
    where allocation = 'shared'
),

-- A team whose credits outweigh its cost carries none of what is shared.
stated_weights as (
    select
        shared.usage_month,
        rules.rule_id,
        rules.remainder_team,
        fixed.team,
        fixed.weight::numeric as weight
    from shared_months as shared
    inner join {{ ref('stg_cost_allocations') }} as rules on shared.rule_id = rules.rule_id
    cross join lateral jsonb_each_text(rules.fixed_weights) as fixed (team, weight)

    union all

    select
        direct_cost.usage_month,
        rules.rule_id,
        rules.remainder_team,
        direct_cost.team,
        direct_cost.cost as weight
    from {{ ref('stg_cost_allocations') }} as rules
    inner join direct_cost on rules.sharing_teams is null or direct_cost.team = any(rules.sharing_teams)
    where rules.proportional_to = 'direct_cost'
),

weights as (
    select
        usage_month,
        rule_id,
        team,
        weight,
        sum(weight) over (partition by usage_month, rule_id) as total_weight,
        row_number() over (
            partition by usage_month, rule_id
            order by (team = remainder_team) desc nulls last, weight desc, team asc
        ) = 1 as takes_remainder
    from stated_weights
    where weight > 0
),

rounded as (
    select
        owned.*,
        weights.team,
        weights.takes_remainder,
        trim_scale(round(owned.effective_cost_usd * weights.weight / weights.total_weight, 12)) as share
    from owned
    inner join weights on owned.usage_month = weights.usage_month and owned.rule_id = weights.rule_id
    where owned.allocation = 'shared'
),

shares as (
    select
        *,
        sum(share) over (
            partition by usage_month, source, provider, service, account_id, charge_category, rule_id
        ) as all_shares
    from rounded
)

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
    case
        when takes_remainder then effective_cost_usd - (all_shares - share)
        else share
    end as effective_cost_usd,
    is_estimated
from shares

union all

select
    owned.usage_month,
    owned.source,
    owned.provider,
    owned.service,
    owned.account_id,
    owned.charge_category,
    coalesce(owned.direct_team, 'unallocated') as team,
    -- A cost that is to be shared, in a month in which nobody has a weight.
    case when owned.allocation = 'shared' then 'unallocated' else owned.allocation end as allocation,
    owned.rule_name,
    false as takes_remainder,
    owned.effective_cost_usd,
    owned.is_estimated
from owned
where
    owned.allocation != 'shared'
    or not exists (
        select 1
        from weights
        where weights.usage_month = owned.usage_month and weights.rule_id = owned.rule_id
    )
