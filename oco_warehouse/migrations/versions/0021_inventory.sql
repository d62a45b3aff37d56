ALTER TABLE oco.resources ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';
ALTER TABLE oco.resources ADD COLUMN metrics_until timestamptz;
ALTER TABLE oco.resources ADD CHECK (jsonb_typeof(facts) = 'object');

COMMENT ON COLUMN oco.resources.resource_type IS 'Kind, as in aws.ec2: Cloud Custodian''s name with its provider';
COMMENT ON COLUMN oco.resources.attributes IS 'What the provider reports, in its own words';
COMMENT ON COLUMN oco.resources.facts IS 'What rules read, in the same words for every provider; what is not known has no key';
COMMENT ON COLUMN oco.resources.metrics_until IS 'Until when its metrics were read; NULL when they never were';

UPDATE oco.resources SET resource_type = 'aws.ec2' WHERE resource_type = 'aws.ec2-instance';
UPDATE oco.optimization_recommendations SET resource_type = 'aws.ec2' WHERE resource_type = 'aws.ec2-instance';

CREATE TABLE oco.inventory_listings (
    source text NOT NULL,
    provider text NOT NULL,
    account_id text NOT NULL,
    region text NOT NULL,
    resource_type text NOT NULL,
    status text NOT NULL,
    permission text,
    problem text,
    resources integer NOT NULL DEFAULT 0,
    attempted_at timestamptz NOT NULL DEFAULT now(),
    complete_at timestamptz,
    PRIMARY KEY (source, account_id, region, resource_type),
    CHECK (status IN ('complete', 'lacking', 'denied', 'failed')),
    CHECK (resources >= 0),
    CHECK (status <> 'denied' OR permission IS NOT NULL)
);

COMMENT ON TABLE oco.inventory_listings IS 'How the newest attempt ended to list one kind of resource in one place';
COMMENT ON COLUMN oco.inventory_listings.source IS 'Account of OCO_SOURCES that lists';
COMMENT ON COLUMN oco.inventory_listings.provider IS 'Short name of who provides';
COMMENT ON COLUMN oco.inventory_listings.account_id IS 'Account that owns the resources';
COMMENT ON COLUMN oco.inventory_listings.region IS 'Region; empty where a listing is of all regions';
COMMENT ON COLUMN oco.inventory_listings.resource_type IS 'Kind that was listed, or metrics';
COMMENT ON COLUMN oco.inventory_listings.status IS 'complete; lacking: every resource, without details that are denied; denied; failed';
COMMENT ON COLUMN oco.inventory_listings.permission IS 'Permission that is missing, as in ec2:DescribeVolumes';
COMMENT ON COLUMN oco.inventory_listings.problem IS 'What went wrong, in one line; NULL when nothing';
COMMENT ON COLUMN oco.inventory_listings.resources IS 'Resources that the attempt found';
COMMENT ON COLUMN oco.inventory_listings.attempted_at IS 'When the newest attempt was made';
COMMENT ON COLUMN oco.inventory_listings.complete_at IS 'When all resources were last listed; NULL when they never were';
