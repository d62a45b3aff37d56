{{ config(indexes=[{'columns': ['believed_from']}, {'columns': ['usage_date', 'provider']}]) }}

-- Grain: load moment × source × partition × usage day × provider × currency. Every row of the raw table
-- begins to hold once and may end once: the sums of what began and ended are the changes of belief.
with began as (
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
    where valid_to is not null
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
    running.believed_from,
    loads.load_id,
    running.source,
    running.source_partition,
    running.usage_date,
    running.provider,
    running.currency,
    running.billed_after - running.billed_difference as billed_before,
    running.billed_after,
    running.billed_difference,
    running.effective_after - running.effective_difference as effective_before,
    running.effective_after,
    running.effective_difference,
    running.rows_after - running.rows_inserted + running.rows_closed as rows_before,
    running.rows_after,
    running.rows_inserted,
    running.rows_closed,
    running.rows_after - running.rows_inserted + running.rows_closed > 0 as is_restatement
from running
left join {{ ref('stg_ingestion_batches') }} as loads
    on running.source = loads.source and running.believed_from = loads.believed_from
