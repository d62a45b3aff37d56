CREATE TABLE oco.cloud_cost_partition_days (
    source text NOT NULL,
    source_partition text NOT NULL,
    date date NOT NULL,
    provider text NOT NULL,
    billing_account_id text NOT NULL,
    account_id text NOT NULL,
    billing_period_start timestamptz NOT NULL,
    billing_currency text NOT NULL,
    charges bigint NOT NULL CHECK (charges > 0),
    billed_cost numeric NOT NULL
);

COMMENT ON TABLE oco.cloud_cost_partition_days IS 'What is believed of each partition of cloud_costs by day and account: tells without reading charges which partitions can hold the same';
COMMENT ON COLUMN oco.cloud_cost_partition_days.source IS 'Kind of source';
COMMENT ON COLUMN oco.cloud_cost_partition_days.source_partition IS 'Partition of the source';
COMMENT ON COLUMN oco.cloud_cost_partition_days.date IS 'Usage day';
COMMENT ON COLUMN oco.cloud_cost_partition_days.provider IS 'Short name of who provides';
COMMENT ON COLUMN oco.cloud_cost_partition_days.billing_account_id IS 'FOCUS BillingAccountId';
COMMENT ON COLUMN oco.cloud_cost_partition_days.account_id IS 'FOCUS SubAccountId, or BillingAccountId where a charge has no sub account';
COMMENT ON COLUMN oco.cloud_cost_partition_days.billing_period_start IS 'FOCUS BillingPeriodStart, inclusive';
COMMENT ON COLUMN oco.cloud_cost_partition_days.billing_currency IS 'FOCUS BillingCurrency';
COMMENT ON COLUMN oco.cloud_cost_partition_days.charges IS 'How many charges are believed';
COMMENT ON COLUMN oco.cloud_cost_partition_days.billed_cost IS 'Sum of their billed_cost in billing_currency';

INSERT INTO oco.cloud_cost_partition_days
SELECT source, source_partition, date, provider, billing_account_id, account_id, billing_period_start,
       billing_currency, count(*), sum(billed_cost)
FROM oco.cloud_costs WHERE valid_to IS NULL GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
-- Accounts may be longer than an index entry may be: a load looks by partition, or by day.
CREATE INDEX ix_cloud_cost_partition_days_partition ON oco.cloud_cost_partition_days (source, source_partition);
CREATE INDEX ix_cloud_cost_partition_days_date ON oco.cloud_cost_partition_days (date);

-- With the day, so that one day of a long partition is found without reading all of it.
DROP INDEX oco.ix_cloud_costs_source_partition;
CREATE INDEX ix_cloud_costs_source_partition ON oco.cloud_costs (source, source_partition, date) WHERE valid_to IS NULL;

-- The day first: a file of few days touches few pages of it, however long the month is.
DROP INDEX oco.ux_cloud_costs_current;
CREATE UNIQUE INDEX ux_cloud_costs_current ON oco.cloud_costs (date, row_hash, occurrence, source, source_partition) WHERE valid_to IS NULL;

-- Every load asks which others are of the same days.
CREATE INDEX idx_ingestion_batches_days ON oco.ingestion_batches (source, first_date) WHERE replaced_by IS NULL;
