{{ config(indexes=[{'columns': ['believed_from']}, {'columns': ['usage_date', 'provider']}]) }}

-- Grain: load moment × source × partition × usage day × provider × currency.
select
    changes.believed_from,
    loads.load_id,
    changes.source,
    changes.source_partition,
    changes.usage_date,
    changes.provider,
    changes.currency,
    changes.billed_after - changes.billed_difference as billed_before,
    changes.billed_after,
    changes.billed_difference,
    changes.effective_after - changes.effective_difference as effective_before,
    changes.effective_after,
    changes.effective_difference,
    changes.rows_after - changes.rows_inserted + changes.rows_closed as rows_before,
    changes.rows_after,
    changes.rows_inserted,
    changes.rows_closed,
    changes.rows_after - changes.rows_inserted + changes.rows_closed > 0 as is_restatement
from {{ ref('int_restatements_kept') }} as changes
left join {{ ref('stg_ingestion_batches') }} as loads
    on changes.source = loads.source and changes.believed_from = loads.believed_from
where changes.believed_from is not null
