{# Days of cloud charges that changed since a relation was built, as SQL literals; none when it is built
   for the first time or anew. Literals let PostgreSQL leave out the months that no such day is in.
   `rules` is an expression that the relation has behind each of its `changed_by`. #}
{% macro changed_days(relation, rules="''") -%}
    {%- if not execute or not is_incremental() -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set found = run_query(
        "select day.date from " ~ source("oco", "cloud_cost_days") ~ " as day"
        " left join (select distinct usage_date, changed_by from " ~ relation ~ ") as built"
        " on built.usage_date = day.date"
        " where built.changed_by is distinct from day.changed_by::text || " ~ rules
    ) -%}
    {%- set literals = [] -%}
    {%- for day in found.columns[0].values() -%}
        {%- do literals.append("date '" ~ day ~ "'") -%}
    {%- endfor -%}
    {{ return(literals) }}
{%- endmacro %}

{# What the rules for tags say, as one text: days are built again when it is another one. #}
{% macro tag_rules_mark() -%}
    (
        select md5(coalesce(string_agg(rule, ';' order by rule), '')) from (
            select tag_rules::text as rule from {{ source('oco', 'tag_rules') }} as tag_rules
            union all
            select tag_values::text from {{ source('oco', 'tag_values') }} as tag_values
        ) as rules
    )
{%- endmacro %}

{# A condition on a day; of no day at all when nothing changed. #}
{% macro is_changed(column, days) -%}
    {%- if days is none -%}true
    {%- elif days -%}{{ column }} in ({{ days | join(", ") }})
    {%- else -%}false
    {%- endif -%}
{%- endmacro %}
