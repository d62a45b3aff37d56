-- Nothing in the product finds single charges by these: fct_cost_daily answers by provider and service,
-- and a month of charges is one partition. Each load paid for keeping them, and one of them refused
-- charges with a very long ResourceId.
DROP INDEX oco.ix_cloud_costs_provider_date;
DROP INDEX oco.ix_cloud_costs_service_date;
DROP INDEX oco.ix_cloud_costs_resource_date;

CREATE TABLE oco.cloud_cost_days (
    date date PRIMARY KEY,
    changed_by uuid NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE oco.cloud_cost_days IS 'Which load changed the charges of a day last; marts are built again for days that changed';
COMMENT ON COLUMN oco.cloud_cost_days.date IS 'Usage day';
COMMENT ON COLUMN oco.cloud_cost_days.changed_by IS 'Load that inserted or closed charges of the day last; another value for whatever else changed them';
COMMENT ON COLUMN oco.cloud_cost_days.changed_at IS 'When that was';
INSERT INTO oco.cloud_cost_days (date, changed_by)
SELECT date, gen_random_uuid() FROM (SELECT DISTINCT date FROM oco.cloud_costs) AS days;
