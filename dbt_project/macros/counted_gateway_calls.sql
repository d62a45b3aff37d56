{# True for gateway calls whose money is counted from the ledger and not from a cloud's bill. #}
{% macro is_counted_in_ledger(provider_column) -%}
    {%- set billed = var('gateway_providers_on_cloud_bill') -%}
    {%- if billed -%}
        {{ provider_column }} not in ({% for name in billed %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
