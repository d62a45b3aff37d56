{# The texts of a list in a JSON object as an array; NULL where the object has no such key. #}
{% macro json_texts(column, key) -%}
    case when {{ column }} ? '{{ key }}' then array(select jsonb_array_elements_text({{ column }} -> '{{ key }}')) end
{%- endmacro %}
