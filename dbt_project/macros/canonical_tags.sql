{# Which tag of a set is the team, the environment and so on, whatever the provider calls it. `tag_sets`
   is a relation with a column `tags` that has each set once: there are far fewer sets than charges. #}
{% macro canonical_tags(tag_sets) -%}
with pairs as (

    select
        tag_sets.tags,
        pair.key as raw_key,
        trim(pair.value) as tag_value,
        -- GCP's labels of a project, which its resources only inherit.
        pair.key like 'project:%' as is_inherited,
        -- `CostCenter` and `cost-center` of AWS, Azure and GCP are one key; so is `user:Team`.
        regexp_replace(
            regexp_replace(lower(trim(pair.key)), '^(user:|project:|tag:[^/]*/)', ''), '[ _-]+', '_', 'g'
        ) as tag_key
    from {{ tag_sets }} as tag_sets
    cross join lateral jsonb_each_text(tag_sets.tags) as pair

),

chosen as (

    select
        pairs.tags,
        rules.canonical,
        coalesce(value_rules.value, pairs.tag_value) as tag_value,
        row_number() over (
            partition by pairs.tags, rules.canonical
            order by pairs.is_inherited, rules.position, pairs.raw_key
        ) as choice
    from pairs
    inner join {{ source('oco', 'tag_rules') }} as rules
        on pairs.tag_key = rules.alias
    left join {{ source('oco', 'tag_values') }} as value_rules
        on
            rules.canonical = value_rules.canonical
            and lower(pairs.tag_value) = value_rules.alias
    where pairs.tag_value != ''

)

select
    tags,
    max(tag_value) filter (where canonical = 'team') as team,
    max(tag_value) filter (where canonical = 'environment') as environment,
    max(tag_value) filter (where canonical = 'cost_center') as cost_center,
    max(tag_value) filter (where canonical = 'application') as application
from chosen
where choice = 1
group by tags
{%- endmacro %}

{# All rows of a relation with a column `tags`, and what its tags mean as tag_team and so on. #}
{% macro with_canonical_tags(relation) -%}
select
    labelled.*,
    canonical.team as tag_team,
    canonical.environment as tag_environment,
    canonical.cost_center as tag_cost_center,
    canonical.application as tag_application
from {{ relation }} as labelled
left join (
    {{ canonical_tags("(select distinct tags from " ~ relation ~ " where jsonb_typeof(tags) = 'object')") }}
) as canonical on labelled.tags = canonical.tags
{%- endmacro %}
