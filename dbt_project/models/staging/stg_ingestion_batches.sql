-- Loads that changed what is believed; a load's moment is the valid_from of what it brought.
select distinct on (source, started_at)
    id as load_id,
    source,
    source_partition,
    started_at as believed_from
from {{ source('oco', 'ingestion_batches') }}
where status = 'loaded'
order by source, started_at, id
