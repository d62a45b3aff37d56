{# Whether a charge is use of its own day. What comes once a month, once at all, or in correction of
   another month says nothing of a day's use. #}
{% macro is_metered(charge) -%}
    {{ charge }}.charge_category = 'Usage'
    and coalesce({{ charge }}.charge_class, '') != 'Correction'
    and coalesce({{ charge }}.charge_frequency, 'Usage-Based') = 'Usage-Based'
{%- endmacro %}
