-- Grain: usage month × source × provider × service × account × charge category × rule × direct team.
-- The first rule that fits a charge has it: lowest priority, then name. A rule that names its team by a
-- tag fits only where the tag says something.
with rules as materialized (
    select * from {{ ref('stg_cost_allocations') }}
    where is_enabled
),

fitted as (
    select
        cells.*,
        rule.rule_id,
        rule.rule_name,
        case
            when rule.rule_id is null then cells.team
            when rule.target_tag is not null then trim(cells.tags ->> rule.target_tag)
            else rule.target_team
        end as direct_team,
        rule.method
    from {{ ref('int_showback_cells') }} as cells
    left join lateral (
        select *
        from rules
        where
            cells.usage_date >= rules.valid_from
            and (rules.valid_to is null or cells.usage_date < rules.valid_to)
            and (rules.providers is null or cells.provider = any(rules.providers))
            and (rules.services is null or cells.service = any(rules.services))
            and (rules.accounts is null or cells.account_id = any(rules.accounts))
            and (rules.charge_categories is null or cells.charge_category = any(rules.charge_categories))
            and (rules.target_tag is null or coalesce(trim(cells.tags ->> rules.target_tag), '') != '')
            and not exists (
                select 1
                from jsonb_each(rules.match_tags) as wanted (tag_key, tag_values)
                where
                    not coalesce(wanted.tag_values ? (cells.tags ->> wanted.tag_key), false)
                    and not (wanted.tag_values ? '*' and cells.tags ? wanted.tag_key)
            )
        order by rules.priority, rules.rule_name
        limit 1
    ) as rule on true
)

select
    date_trunc('month', usage_date)::date as usage_month,
    source,
    provider,
    service,
    account_id,
    charge_category,
    rule_id,
    -- Without a rule a charge is its own team's, where it names one.
    case
        when rule_name is not null then rule_name
        when direct_team is not null then 'team of the charge'
        else 'no rule'
    end as rule_name,
    case
        when method = 'proportional' then 'shared'
        when direct_team is not null then 'direct'
        else 'unallocated'
    end as allocation,
    direct_team,
    sum(effective_cost_usd) as effective_cost_usd,
    bool_or(is_estimated) as is_estimated
from fitted
group by
    date_trunc('month', usage_date)::date,
    source,
    provider,
    service,
    account_id,
    charge_category,
    rule_id,
    rule_name,
    method,
    direct_team
