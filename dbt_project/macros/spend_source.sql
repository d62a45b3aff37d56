{# Which part of the platform a cloud charge belongs to. Velero tags the snapshots that it takes with
   velero.io/… keys: such a charge is the cost of a recovery point. #}
{% macro spend_source(tags) -%}
    case
        when exists (select 1 from jsonb_object_keys({{ tags }}) as tag_key where tag_key like 'velero.io/%')
            then 'resilience'
        else 'cloud'
    end
{%- endmacro %}
