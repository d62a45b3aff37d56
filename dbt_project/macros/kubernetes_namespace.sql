{# The Kubernetes namespace that a set of tags names; NULL where it names none. #}
{% macro kubernetes_namespace(tags) -%}
    coalesce(
        {%- for key in var('kubernetes_namespace_tags') %}
        nullif(trim({{ tags }} ->> '{{ key }}'), ''){{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
