-- Grain: one UTC day, from the first to the last day with cost.
with span as (
    select
        min(usage_date) as first_day,
        max(usage_date) as last_day
    from {{ ref('fct_cost_daily') }}
)

select
    days.moment::date as date_day,
    date_trunc('month', days.moment)::date as month,
    date_trunc('quarter', days.moment)::date as quarter,
    extract(year from days.moment)::int as year,
    extract(isoyear from days.moment)::int as iso_year,
    extract(week from days.moment)::int as iso_week,
    extract(isodow from days.moment)::int as iso_weekday,
    extract(isodow from days.moment) >= 6 as is_weekend,
    extract(
        day from date_trunc('month', days.moment) + interval '1 month' - interval '1 day'
    )::int as days_in_month
from span
cross join
    lateral generate_series(span.first_day::timestamp, span.last_day, interval '1 day') as days (moment)
