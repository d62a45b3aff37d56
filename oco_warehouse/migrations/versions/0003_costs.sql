CREATE TABLE oco.exchange_rates (
    month date NOT NULL,
    from_currency text NOT NULL,
    to_currency text NOT NULL DEFAULT 'USD',
    rate numeric NOT NULL,
    source text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (month, from_currency, to_currency),
    CHECK (rate > 0),
    CHECK (extract(day FROM month) = 1)
);

COMMENT ON TABLE oco.exchange_rates IS 'Monthly exchange rates; a missing one fails the load, none is guessed';
COMMENT ON COLUMN oco.exchange_rates.month IS 'First day of the month';
COMMENT ON COLUMN oco.exchange_rates.from_currency IS 'ISO 4217 code';
COMMENT ON COLUMN oco.exchange_rates.to_currency IS 'ISO 4217 code';
COMMENT ON COLUMN oco.exchange_rates.rate IS 'Amount in from_currency × rate = amount in to_currency';
COMMENT ON COLUMN oco.exchange_rates.source IS 'Where the rate is from';
COMMENT ON COLUMN oco.exchange_rates.updated_at IS 'When the row was last written';

CREATE TABLE oco.ingestion_batches (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source text NOT NULL,
    source_partition text NOT NULL,
    content_hash text,
    status text NOT NULL,
    rows_source bigint,
    rows_accepted bigint,
    rows_rejected bigint,
    rows_inserted bigint,
    rows_closed bigint,
    totals_source jsonb,
    totals_accepted jsonb,
    totals_rejected jsonb,
    first_date date,
    last_date date,
    run_id text,
    error text,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK (status IN ('running', 'loaded', 'unchanged', 'failed')),
    CHECK (rows_source IS NULL OR rows_source = rows_accepted + rows_rejected)
);

COMMENT ON TABLE oco.ingestion_batches IS 'One row per attempt to load one partition of one source';
COMMENT ON COLUMN oco.ingestion_batches.id IS 'Identifier';
COMMENT ON COLUMN oco.ingestion_batches.source IS 'Kind of source, as in focus_files';
COMMENT ON COLUMN oco.ingestion_batches.source_partition IS 'Partition of the source: a file, an account and day, a billing period';
COMMENT ON COLUMN oco.ingestion_batches.content_hash IS 'SHA-256 of what was read, in hex';
COMMENT ON COLUMN oco.ingestion_batches.status IS 'running, loaded, unchanged or failed';
COMMENT ON COLUMN oco.ingestion_batches.rows_source IS 'Rows that the source had';
COMMENT ON COLUMN oco.ingestion_batches.rows_accepted IS 'Rows that were loaded';
COMMENT ON COLUMN oco.ingestion_batches.rows_rejected IS 'Rows that were kept in rejected_rows';
COMMENT ON COLUMN oco.ingestion_batches.rows_inserted IS 'Rows that are new against the version before';
COMMENT ON COLUMN oco.ingestion_batches.rows_closed IS 'Rows of the version before that no longer hold';
COMMENT ON COLUMN oco.ingestion_batches.totals_source IS '{currency: {billed_cost, effective_cost, list_cost, contracted_cost}} as decimal text';
COMMENT ON COLUMN oco.ingestion_batches.totals_accepted IS 'The same over accepted rows';
COMMENT ON COLUMN oco.ingestion_batches.totals_rejected IS 'The same over rejected rows, as far as their amounts can be read';
COMMENT ON COLUMN oco.ingestion_batches.first_date IS 'Earliest usage day';
COMMENT ON COLUMN oco.ingestion_batches.last_date IS 'Latest usage day';
COMMENT ON COLUMN oco.ingestion_batches.run_id IS 'Dagster run, or empty for a load by hand';
COMMENT ON COLUMN oco.ingestion_batches.error IS 'Why it failed, in one line';
COMMENT ON COLUMN oco.ingestion_batches.started_at IS 'When it began';
COMMENT ON COLUMN oco.ingestion_batches.finished_at IS 'When it ended';
CREATE INDEX idx_ingestion_batches_partition ON oco.ingestion_batches (source, source_partition, started_at DESC);

CREATE TABLE oco.rejected_rows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id uuid NOT NULL REFERENCES oco.ingestion_batches (id) ON DELETE CASCADE,
    source text NOT NULL,
    source_partition text NOT NULL,
    row_number bigint NOT NULL,
    reason text NOT NULL,
    raw jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE oco.rejected_rows IS 'Source rows that could not be loaded, as they were';
COMMENT ON COLUMN oco.rejected_rows.id IS 'Order of the entries';
COMMENT ON COLUMN oco.rejected_rows.batch_id IS 'Load that rejected the row';
COMMENT ON COLUMN oco.rejected_rows.source IS 'Kind of source';
COMMENT ON COLUMN oco.rejected_rows.source_partition IS 'Partition of the source';
COMMENT ON COLUMN oco.rejected_rows.row_number IS 'Row in the source, the first data row being 1';
COMMENT ON COLUMN oco.rejected_rows.reason IS 'Why, in one line';
COMMENT ON COLUMN oco.rejected_rows.raw IS 'The row as text values';
COMMENT ON COLUMN oco.rejected_rows.created_at IS 'When the row was rejected';
CREATE INDEX idx_rejected_rows_batch ON oco.rejected_rows (batch_id);

CREATE TABLE oco.cloud_costs (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    provider text NOT NULL,
    service text NOT NULL,
    resource_id text,
    resource_name text,
    cost_usd numeric NOT NULL,
    usd_rate numeric NOT NULL,
    usage_quantity numeric,
    usage_unit text,
    region text,
    account_id text NOT NULL,
    tags jsonb NOT NULL DEFAULT '{}',
    date date NOT NULL,
    billed_cost numeric NOT NULL,
    effective_cost numeric NOT NULL,
    list_cost numeric NOT NULL,
    contracted_cost numeric,
    billing_currency text NOT NULL,
    list_unit_price numeric,
    contracted_unit_price numeric,
    pricing_quantity numeric,
    pricing_unit text,
    pricing_category text,
    pricing_currency text,
    pricing_currency_contracted_unit_price numeric,
    pricing_currency_effective_cost numeric,
    pricing_currency_list_unit_price numeric,
    charge_category text NOT NULL,
    charge_class text,
    charge_description text,
    charge_frequency text,
    charge_period_start timestamptz NOT NULL,
    charge_period_end timestamptz NOT NULL,
    billing_period_start timestamptz NOT NULL,
    billing_period_end timestamptz NOT NULL,
    billing_account_id text NOT NULL,
    billing_account_name text,
    billing_account_type text,
    sub_account_id text,
    sub_account_name text,
    sub_account_type text,
    provider_name text,
    publisher_name text,
    service_provider_name text,
    host_provider_name text,
    invoice_issuer_name text,
    invoice_id text,
    service_category text,
    service_subcategory text,
    resource_type text,
    region_name text,
    availability_zone text,
    sku_id text,
    sku_meter text,
    sku_price_id text,
    sku_price_details jsonb,
    commitment_discount_id text,
    commitment_discount_name text,
    commitment_discount_category text,
    commitment_discount_type text,
    commitment_discount_status text,
    commitment_discount_quantity numeric,
    commitment_discount_unit text,
    capacity_reservation_id text,
    capacity_reservation_status text,
    allocated_method_id text,
    allocated_method_details jsonb,
    allocated_resource_id text,
    allocated_resource_name text,
    allocated_tags jsonb,
    contract_applied jsonb,
    source text NOT NULL,
    source_partition text NOT NULL,
    batch_id uuid NOT NULL REFERENCES oco.ingestion_batches (id),
    row_hash bytea NOT NULL,
    occurrence integer NOT NULL,
    estimated boolean NOT NULL DEFAULT false,
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, date),
    CHECK (charge_category IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')),
    CHECK (charge_class IS NULL OR charge_class = 'Correction'),
    CHECK (charge_period_end > charge_period_start),
    CHECK (billing_period_end > billing_period_start),
    CHECK (length(billing_currency) = 3),
    CHECK (usd_rate > 0),
    CHECK (occurrence >= 1),
    CHECK (valid_to IS NULL OR valid_to >= valid_from),
    CHECK (jsonb_typeof(tags) = 'object')
) {time_partitioned:date};

COMMENT ON TABLE oco.cloud_costs IS 'Cloud charges in FOCUS shape; the current belief is WHERE valid_to IS NULL';
COMMENT ON COLUMN oco.cloud_costs.id IS 'Identifier';
COMMENT ON COLUMN oco.cloud_costs.provider IS 'Short name of who provides: aws, azure, gcp, oci, …';
COMMENT ON COLUMN oco.cloud_costs.service IS 'FOCUS ServiceName';
COMMENT ON COLUMN oco.cloud_costs.resource_id IS 'FOCUS ResourceId';
COMMENT ON COLUMN oco.cloud_costs.resource_name IS 'FOCUS ResourceName';
COMMENT ON COLUMN oco.cloud_costs.cost_usd IS 'billed_cost in USD';
COMMENT ON COLUMN oco.cloud_costs.usd_rate IS 'Amount in billing_currency × usd_rate = amount in USD';
COMMENT ON COLUMN oco.cloud_costs.usage_quantity IS 'FOCUS ConsumedQuantity';
COMMENT ON COLUMN oco.cloud_costs.usage_unit IS 'FOCUS ConsumedUnit';
COMMENT ON COLUMN oco.cloud_costs.region IS 'FOCUS RegionId';
COMMENT ON COLUMN oco.cloud_costs.account_id IS 'FOCUS SubAccountId, or BillingAccountId where a charge has no sub account';
COMMENT ON COLUMN oco.cloud_costs.tags IS 'FOCUS Tags: an object of text values';
COMMENT ON COLUMN oco.cloud_costs.date IS 'UTC day of charge_period_start';
COMMENT ON COLUMN oco.cloud_costs.billed_cost IS 'FOCUS BilledCost in billing_currency: what the invoice shows';
COMMENT ON COLUMN oco.cloud_costs.effective_cost IS 'FOCUS EffectiveCost in billing_currency: amortized';
COMMENT ON COLUMN oco.cloud_costs.list_cost IS 'FOCUS ListCost in billing_currency';
COMMENT ON COLUMN oco.cloud_costs.contracted_cost IS 'FOCUS ContractedCost in billing_currency; NULL where the file leaves it out';
COMMENT ON COLUMN oco.cloud_costs.billing_currency IS 'FOCUS BillingCurrency';
COMMENT ON COLUMN oco.cloud_costs.list_unit_price IS 'FOCUS ListUnitPrice';
COMMENT ON COLUMN oco.cloud_costs.contracted_unit_price IS 'FOCUS ContractedUnitPrice';
COMMENT ON COLUMN oco.cloud_costs.pricing_quantity IS 'FOCUS PricingQuantity';
COMMENT ON COLUMN oco.cloud_costs.pricing_unit IS 'FOCUS PricingUnit';
COMMENT ON COLUMN oco.cloud_costs.pricing_category IS 'FOCUS PricingCategory';
COMMENT ON COLUMN oco.cloud_costs.pricing_currency IS 'FOCUS PricingCurrency';
COMMENT ON COLUMN oco.cloud_costs.pricing_currency_contracted_unit_price IS 'FOCUS PricingCurrencyContractedUnitPrice';
COMMENT ON COLUMN oco.cloud_costs.pricing_currency_effective_cost IS 'FOCUS PricingCurrencyEffectiveCost';
COMMENT ON COLUMN oco.cloud_costs.pricing_currency_list_unit_price IS 'FOCUS PricingCurrencyListUnitPrice';
COMMENT ON COLUMN oco.cloud_costs.charge_category IS 'FOCUS ChargeCategory: Usage, Purchase, Tax, Credit or Adjustment';
COMMENT ON COLUMN oco.cloud_costs.charge_class IS 'FOCUS ChargeClass: Correction or NULL';
COMMENT ON COLUMN oco.cloud_costs.charge_description IS 'FOCUS ChargeDescription';
COMMENT ON COLUMN oco.cloud_costs.charge_frequency IS 'FOCUS ChargeFrequency';
COMMENT ON COLUMN oco.cloud_costs.charge_period_start IS 'FOCUS ChargePeriodStart, inclusive';
COMMENT ON COLUMN oco.cloud_costs.charge_period_end IS 'FOCUS ChargePeriodEnd, exclusive';
COMMENT ON COLUMN oco.cloud_costs.billing_period_start IS 'FOCUS BillingPeriodStart, inclusive';
COMMENT ON COLUMN oco.cloud_costs.billing_period_end IS 'FOCUS BillingPeriodEnd, exclusive';
COMMENT ON COLUMN oco.cloud_costs.billing_account_id IS 'FOCUS BillingAccountId';
COMMENT ON COLUMN oco.cloud_costs.billing_account_name IS 'FOCUS BillingAccountName';
COMMENT ON COLUMN oco.cloud_costs.billing_account_type IS 'FOCUS BillingAccountType';
COMMENT ON COLUMN oco.cloud_costs.sub_account_id IS 'FOCUS SubAccountId';
COMMENT ON COLUMN oco.cloud_costs.sub_account_name IS 'FOCUS SubAccountName';
COMMENT ON COLUMN oco.cloud_costs.sub_account_type IS 'FOCUS SubAccountType';
COMMENT ON COLUMN oco.cloud_costs.provider_name IS 'FOCUS ProviderName (1.0 to 1.2)';
COMMENT ON COLUMN oco.cloud_costs.publisher_name IS 'FOCUS PublisherName (1.0 to 1.2)';
COMMENT ON COLUMN oco.cloud_costs.service_provider_name IS 'FOCUS ServiceProviderName (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.host_provider_name IS 'FOCUS HostProviderName (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.invoice_issuer_name IS 'FOCUS InvoiceIssuerName';
COMMENT ON COLUMN oco.cloud_costs.invoice_id IS 'FOCUS InvoiceId';
COMMENT ON COLUMN oco.cloud_costs.service_category IS 'FOCUS ServiceCategory';
COMMENT ON COLUMN oco.cloud_costs.service_subcategory IS 'FOCUS ServiceSubcategory';
COMMENT ON COLUMN oco.cloud_costs.resource_type IS 'FOCUS ResourceType';
COMMENT ON COLUMN oco.cloud_costs.region_name IS 'FOCUS RegionName';
COMMENT ON COLUMN oco.cloud_costs.availability_zone IS 'FOCUS AvailabilityZone';
COMMENT ON COLUMN oco.cloud_costs.sku_id IS 'FOCUS SkuId';
COMMENT ON COLUMN oco.cloud_costs.sku_meter IS 'FOCUS SkuMeter';
COMMENT ON COLUMN oco.cloud_costs.sku_price_id IS 'FOCUS SkuPriceId';
COMMENT ON COLUMN oco.cloud_costs.sku_price_details IS 'FOCUS SkuPriceDetails';
COMMENT ON COLUMN oco.cloud_costs.commitment_discount_id IS 'FOCUS CommitmentDiscountId';
COMMENT ON COLUMN oco.cloud_costs.commitment_discount_name IS 'FOCUS CommitmentDiscountName';
COMMENT ON COLUMN oco.cloud_costs.commitment_discount_category IS 'FOCUS CommitmentDiscountCategory: Spend or Usage';
COMMENT ON COLUMN oco.cloud_costs.commitment_discount_type IS 'FOCUS CommitmentDiscountType';
COMMENT ON COLUMN oco.cloud_costs.commitment_discount_status IS 'FOCUS CommitmentDiscountStatus: Used or Unused';
COMMENT ON COLUMN oco.cloud_costs.commitment_discount_quantity IS 'FOCUS CommitmentDiscountQuantity';
COMMENT ON COLUMN oco.cloud_costs.commitment_discount_unit IS 'FOCUS CommitmentDiscountUnit';
COMMENT ON COLUMN oco.cloud_costs.capacity_reservation_id IS 'FOCUS CapacityReservationId';
COMMENT ON COLUMN oco.cloud_costs.capacity_reservation_status IS 'FOCUS CapacityReservationStatus';
COMMENT ON COLUMN oco.cloud_costs.allocated_method_id IS 'FOCUS AllocatedMethodId (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.allocated_method_details IS 'FOCUS AllocatedMethodDetails (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.allocated_resource_id IS 'FOCUS AllocatedResourceId (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.allocated_resource_name IS 'FOCUS AllocatedResourceName (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.allocated_tags IS 'FOCUS AllocatedTags (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.contract_applied IS 'FOCUS ContractApplied (from 1.3)';
COMMENT ON COLUMN oco.cloud_costs.source IS 'Kind of source that the row came from';
COMMENT ON COLUMN oco.cloud_costs.source_partition IS 'Partition of the source that the row came from';
COMMENT ON COLUMN oco.cloud_costs.batch_id IS 'Load that brought the row';
COMMENT ON COLUMN oco.cloud_costs.row_hash IS 'SHA-256 over the row''s business columns';
COMMENT ON COLUMN oco.cloud_costs.occurrence IS '1 for the first of identical rows in a partition, 2 for the next, …';
COMMENT ON COLUMN oco.cloud_costs.estimated IS 'Whether the provider still calls the charge an estimate';
COMMENT ON COLUMN oco.cloud_costs.valid_from IS 'From when this was believed';
COMMENT ON COLUMN oco.cloud_costs.valid_to IS 'Until when; NULL is the current belief';
COMMENT ON COLUMN oco.cloud_costs.created_at IS 'When the row was written';
SELECT oco.start_partitions('cloud_costs', 'date');
CREATE INDEX ix_cloud_costs_provider_date ON oco.cloud_costs (provider, date);
CREATE INDEX ix_cloud_costs_service_date ON oco.cloud_costs (service, date);
CREATE INDEX ix_cloud_costs_resource_date ON oco.cloud_costs (resource_id, date) WHERE valid_to IS NULL;
CREATE UNIQUE INDEX ux_cloud_costs_current ON oco.cloud_costs (source, source_partition, row_hash, occurrence, date) WHERE valid_to IS NULL;
CREATE INDEX ix_cloud_costs_row_hash ON oco.cloud_costs (row_hash) WHERE valid_to IS NULL;

CREATE TABLE oco.resources (
    provider text NOT NULL,
    account_id text NOT NULL,
    resource_id text NOT NULL,
    resource_type text NOT NULL,
    resource_name text,
    region text,
    state text,
    size text,
    tags jsonb NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL DEFAULT '{}',
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (provider, account_id, resource_id)
);

COMMENT ON TABLE oco.resources IS 'Inventory of cloud and Kubernetes resources';
COMMENT ON COLUMN oco.resources.provider IS 'Short name of who provides';
COMMENT ON COLUMN oco.resources.account_id IS 'Account that owns the resource';
COMMENT ON COLUMN oco.resources.resource_id IS 'Identifier as on the bill';
COMMENT ON COLUMN oco.resources.resource_type IS 'Kind, as in aws.ec2-instance';
COMMENT ON COLUMN oco.resources.resource_name IS 'Name for people';
COMMENT ON COLUMN oco.resources.region IS 'Region';
COMMENT ON COLUMN oco.resources.state IS 'State that the provider reports';
COMMENT ON COLUMN oco.resources.size IS 'Instance type, volume class and the like';
COMMENT ON COLUMN oco.resources.tags IS 'Tags: an object of text values';
COMMENT ON COLUMN oco.resources.attributes IS 'What else the provider reports';
COMMENT ON COLUMN oco.resources.first_seen_at IS 'When it was first seen';
COMMENT ON COLUMN oco.resources.last_seen_at IS 'When it was last seen';
COMMENT ON COLUMN oco.resources.deleted_at IS 'When it was found gone; NULL while it exists';
CREATE INDEX idx_resources_type ON oco.resources (provider, resource_type);

CREATE TABLE oco.resource_metrics (
    provider text NOT NULL,
    account_id text NOT NULL,
    resource_id text NOT NULL,
    metric text NOT NULL,
    interval_start timestamptz NOT NULL,
    interval_seconds integer NOT NULL,
    average numeric,
    maximum numeric,
    p99 numeric,
    sample_count integer NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (provider, account_id, resource_id, metric, interval_start),
    CHECK (interval_seconds > 0),
    CHECK (sample_count >= 0)
);

COMMENT ON TABLE oco.resource_metrics IS 'Utilisation of resources, one row per metric and interval';
COMMENT ON COLUMN oco.resource_metrics.provider IS 'Short name of who provides';
COMMENT ON COLUMN oco.resource_metrics.account_id IS 'Account that owns the resource';
COMMENT ON COLUMN oco.resource_metrics.resource_id IS 'Resource that was measured';
COMMENT ON COLUMN oco.resource_metrics.metric IS 'cpu_percent, network_bytes_per_second, …';
COMMENT ON COLUMN oco.resource_metrics.interval_start IS 'Start of the interval, inclusive';
COMMENT ON COLUMN oco.resource_metrics.interval_seconds IS 'Length of the interval in seconds';
COMMENT ON COLUMN oco.resource_metrics.average IS 'Mean over the interval';
COMMENT ON COLUMN oco.resource_metrics.maximum IS 'Largest value of the interval';
COMMENT ON COLUMN oco.resource_metrics.p99 IS '99th percentile of the interval';
COMMENT ON COLUMN oco.resource_metrics.sample_count IS 'Measurements in the interval';
COMMENT ON COLUMN oco.resource_metrics.source IS 'Where the metric is from';
CREATE INDEX idx_resource_metrics_start ON oco.resource_metrics (interval_start);

CREATE TABLE oco.cost_allocations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    priority integer NOT NULL,
    method text NOT NULL,
    match jsonb NOT NULL DEFAULT '{}',
    target jsonb NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    valid_from date NOT NULL DEFAULT '2000-01-01',
    valid_to date,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (method IN ('tag', 'account', 'proportional'))
);

COMMENT ON TABLE oco.cost_allocations IS 'Rules that share cost out to teams; totals are conserved';
COMMENT ON COLUMN oco.cost_allocations.id IS 'Identifier';
COMMENT ON COLUMN oco.cost_allocations.name IS 'Name for people';
COMMENT ON COLUMN oco.cost_allocations.priority IS 'Rules are tried from the lowest number on; the first that fits wins';
COMMENT ON COLUMN oco.cost_allocations.method IS 'tag, account or proportional';
COMMENT ON COLUMN oco.cost_allocations.match IS 'Which charges the rule is for';
COMMENT ON COLUMN oco.cost_allocations.target IS 'Who gets them, with weights where shared';
COMMENT ON COLUMN oco.cost_allocations.enabled IS 'Whether the rule is applied';
COMMENT ON COLUMN oco.cost_allocations.valid_from IS 'First usage day that the rule holds for';
COMMENT ON COLUMN oco.cost_allocations.valid_to IS 'Day from which it no longer holds';
COMMENT ON COLUMN oco.cost_allocations.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.cost_allocations.updated_at IS 'When the row was last changed';
CREATE TRIGGER cost_allocations_touch BEFORE UPDATE ON oco.cost_allocations FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();
