{# Name of a gateway provider as on an invoice. #}
{% macro llm_provider_name(column) -%}
    case {{ column }}
        when 'openai' then 'OpenAI'
        when 'anthropic' then 'Anthropic'
        when 'gemini' then 'Google'
        else {{ column }}
    end
{%- endmacro %}
