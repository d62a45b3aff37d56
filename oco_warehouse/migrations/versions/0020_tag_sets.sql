CREATE TABLE oco.cloud_tag_sets (
    tags jsonb NOT NULL,
    last_month date NOT NULL,
    CHECK (jsonb_typeof(tags) = 'object')
);

COMMENT ON TABLE oco.cloud_tag_sets IS 'Every set of tags that charges of cloud_costs have or had, once';
COMMENT ON COLUMN oco.cloud_tag_sets.tags IS 'An object of text values, not empty';
COMMENT ON COLUMN oco.cloud_tag_sets.last_month IS 'First day of the newest usage month with such a charge';
-- A set can be longer than an index entry may be.
CREATE UNIQUE INDEX ux_cloud_tag_sets ON oco.cloud_tag_sets (md5(tags::text));

INSERT INTO oco.cloud_tag_sets (tags, last_month)
SELECT tags, date_trunc('month', max(date))::date FROM oco.cloud_costs WHERE tags <> '{}' GROUP BY tags;
-- Marts of an earlier version said nothing of charges that became final: all days are built again.
UPDATE oco.cloud_cost_days SET changed_by = gen_random_uuid();
