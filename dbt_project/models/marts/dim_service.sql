-- Grain: provider × service. The category is that of the newest charge.
with categories as (
    select
        x_provider,
        service_name,
        service_category,
        min(x_usage_date) as first_day,
        max(x_usage_date) as last_day
    from {{ ref('focus_cost_and_usage') }}
    group by x_provider, service_name, service_category
)

select
    x_provider as provider,
    service_name as service,
    (array_agg(service_category order by last_day desc, service_category asc))[1] as service_category,
    min(first_day) as first_day,
    max(last_day) as last_day
from categories
group by x_provider, service_name
