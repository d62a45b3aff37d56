-- A day may be final and empty, or empty only so far: no charge can say which.
ALTER TABLE oco.ingestion_batches ADD COLUMN estimated boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN oco.ingestion_batches.estimated IS 'Whether the provider still called what was read an estimate';
