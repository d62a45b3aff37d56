{# The Kubernetes namespace that a set of tags names; NULL where it names none. #}
{% macro kubernetes_namespace(tags) -%}
    coalesce(
        {%- for key in var('kubernetes_namespace_tags') %}
        nullif(trim({{ tags }} ->> '{{ key }}'), ''){{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# Whether a set of tags has a key that may name one; cheaper than the name. #}
{% macro may_name_namespace(tags) -%}
    {{ tags }} ?| array[
        {%- for key in var('kubernetes_namespace_tags') %}
        '{{ key }}'{{ ',' if not loop.last }}
        {%- endfor %}
    ]
{%- endmacro %}
