-- Rules with their JSON unpacked; a criterion that is not stated is NULL and lets everything through.
select
    id as rule_id,
    name as rule_name,
    priority,
    method,
    enabled as is_enabled,
    valid_from,
    valid_to,
    {{ json_texts('match', 'provider') }} as providers,
    {{ json_texts('match', 'service') }} as services,
    {{ json_texts('match', 'account') }} as accounts,
    {{ json_texts('match', 'charge_category') }} as charge_categories,
    coalesce(match -> 'tags', '{}') as match_tags,
    target ->> 'team' as target_team,
    target ->> 'tag' as target_tag,
    target -> 'weights' as fixed_weights,
    target ->> 'proportional_to' as proportional_to,
    {{ json_texts('target', 'teams') }} as sharing_teams,
    target ->> 'remainder' as remainder_team
from {{ source('oco', 'cost_allocations') }}
