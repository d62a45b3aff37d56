-- Grain: provider × service. The category is that of the newest charge.
with categories as (
    select
        provider,
        service,
        service_category,
        usage_date
    from {{ ref('int_cloud_cost_cells') }}

    union all

    select
        x_provider as provider,
        service_name as service,
        service_category,
        x_usage_date as usage_date
    from {{ ref('int_llm_focus') }}
),

spans as (
    select
        provider,
        service,
        service_category,
        min(usage_date) as first_day,
        max(usage_date) as last_day
    from categories
    group by provider, service, service_category
)

select
    provider,
    service,
    (array_agg(service_category order by last_day desc, service_category asc))[1] as service_category,
    min(first_day) as first_day,
    max(last_day) as last_day
from spans
group by provider, service
