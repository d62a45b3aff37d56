-- Nothing read the rules before: the forms that the marts read are held here too.
ALTER TABLE oco.cost_allocations ADD CONSTRAINT cost_allocations_match_object CHECK (jsonb_typeof(match) = 'object');
ALTER TABLE oco.cost_allocations ADD CONSTRAINT cost_allocations_target_object CHECK (jsonb_typeof(target) = 'object');
ALTER TABLE oco.cost_allocations ADD CONSTRAINT cost_allocations_valid_range CHECK (valid_to IS NULL OR valid_to > valid_from);
COMMENT ON COLUMN oco.cost_allocations.match IS 'Which charges the rule is for: lists under provider, service, account, charge_category; tags is {key: [values]}, * being any value';
COMMENT ON COLUMN oco.cost_allocations.target IS 'Who gets them: {team}, {tag}, {weights: {team: decimal text}, remainder} or {proportional_to: direct_cost, teams, remainder}';

CREATE TABLE oco.invoices (
    provider text NOT NULL,
    billing_account_id text NOT NULL,
    invoice_id text NOT NULL,
    billing_period date NOT NULL,
    currency text NOT NULL,
    total numeric NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, billing_account_id, invoice_id, billing_period, currency),
    CHECK (provider <> ''),
    CHECK (billing_account_id <> ''),
    CHECK (invoice_id <> ''),
    CHECK (currency ~ '^[A-Z]{3}$')
);

COMMENT ON TABLE oco.invoices IS 'Invoices that a person states, to hold the bills against';
COMMENT ON COLUMN oco.invoices.provider IS 'Short name of who provides: aws, azure, gcp, oci, …';
COMMENT ON COLUMN oco.invoices.billing_account_id IS 'FOCUS BillingAccountId';
COMMENT ON COLUMN oco.invoices.invoice_id IS 'FOCUS InvoiceId; none for the charges of a period whose bill names no invoice';
COMMENT ON COLUMN oco.invoices.billing_period IS 'UTC day of FOCUS BillingPeriodStart, mostly the first of a month';
COMMENT ON COLUMN oco.invoices.currency IS 'ISO 4217 code';
COMMENT ON COLUMN oco.invoices.total IS 'Total of the invoice in currency, taxes included';
COMMENT ON COLUMN oco.invoices.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.invoices.updated_at IS 'When the row was last changed';
CREATE TRIGGER invoices_touch BEFORE UPDATE ON oco.invoices FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();
