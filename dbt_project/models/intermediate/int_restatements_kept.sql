{{ config(
    materialized="incremental",
    incremental_strategy="delete+insert",
    unique_key="usage_date",
    on_schema_change="append_new_columns",
    indexes=[{"columns": ["usage_date"]}],
    pre_hook="set local work_mem = '256MB'",
) }}
{%- set days = changed_days(this) %}

-- Every row of the raw table begins to hold once and may end once: the sums of what began and ended are
-- the changes of belief. A day's beliefs are its own, so days that no load has changed stay; a day of
-- which nothing is kept any more has one empty row, which takes the place of its old ones.
with days as (
    select
        date as usage_date,
        changed_by::text as changed_by
    from {{ source('oco', 'cloud_cost_days') }}
    where {{ is_changed('date', days) }}
),

began as (
    select
        source,
        source_partition,
        date as usage_date,
        provider,
        billing_currency as currency,
        valid_from as believed_from,
        sum(billed_cost) as billed,
        sum(effective_cost) as effective,
        count(*) as rows_inserted,
        0 as rows_closed
    from {{ source('oco', 'cloud_costs') }}
    where {{ is_changed('date', days) }}
    group by source, source_partition, date, provider, billing_currency, valid_from
),

ended as (
    select
        source,
        source_partition,
        date as usage_date,
        provider,
        billing_currency as currency,
        valid_to as believed_from,
        -sum(billed_cost) as billed,
        -sum(effective_cost) as effective,
        0 as rows_inserted,
        count(*) as rows_closed
    from {{ source('oco', 'cloud_costs') }}
    where
        valid_to is not null
        and {{ is_changed('date', days) }}
    group by source, source_partition, date, provider, billing_currency, valid_to
),

changes as (
    select
        source,
        source_partition,
        usage_date,
        provider,
        currency,
        believed_from,
        sum(billed) as billed_difference,
        sum(effective) as effective_difference,
        sum(rows_inserted)::bigint as rows_inserted,
        sum(rows_closed)::bigint as rows_closed
    from (
        select * from began
        union all
        select * from ended
    ) as both_ends
    group by source, source_partition, usage_date, provider, currency, believed_from
),

running as (
    select
        *,
        sum(billed_difference) over beliefs as billed_after,
        sum(effective_difference) over beliefs as effective_after,
        (sum(rows_inserted - rows_closed) over beliefs)::bigint as rows_after
    from changes
    window
        beliefs as (
            partition by source, source_partition, usage_date, provider, currency
            order by believed_from
        )
)

select
    coalesce(running.usage_date, days.usage_date) as usage_date,
    running.believed_from,
    running.source,
    running.source_partition,
    running.provider,
    running.currency,
    running.billed_after,
    running.billed_difference,
    running.effective_after,
    running.effective_difference,
    running.rows_after,
    running.rows_inserted,
    running.rows_closed,
    days.changed_by
from running
full outer join days on running.usage_date = days.usage_date
