ALTER TABLE oco.ingestion_batches ADD COLUMN replaced_by uuid REFERENCES oco.ingestion_batches (id) ON DELETE SET NULL;
COMMENT ON COLUMN oco.ingestion_batches.replaced_by IS 'Load of another partition that took the place of this one; NULL while it holds';

-- Partitions that were replaced before this was recorded: all of their rows are closed, and the load
-- that did it is the first of the source that began after that.
UPDATE oco.ingestion_batches AS old
SET replaced_by = (
    SELECT new.id FROM oco.ingestion_batches AS new
    WHERE new.source = old.source AND new.source_partition <> old.source_partition
      AND new.status = 'loaded' AND new.started_at >= gone.closed_at
    ORDER BY new.started_at LIMIT 1)
FROM (
    SELECT source, source_partition, max(valid_to) AS closed_at
    FROM oco.cloud_costs GROUP BY 1, 2 HAVING count(*) = count(valid_to)) AS gone
WHERE (old.source, old.source_partition) = (gone.source, gone.source_partition)
  AND old.status IN ('loaded', 'unchanged');
