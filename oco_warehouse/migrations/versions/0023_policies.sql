ALTER TABLE oco.governance_policies ADD COLUMN owner text;
ALTER TABLE oco.governance_policies ADD COLUMN actions jsonb NOT NULL DEFAULT '[]';
ALTER TABLE oco.governance_policies ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE oco.governance_policies ADD COLUMN last_evaluated_at timestamptz;
ALTER TABLE oco.governance_policies ADD COLUMN last_error text;
ALTER TABLE oco.governance_policies ADD COLUMN last_found integer;
ALTER TABLE oco.governance_policies ADD CHECK (jsonb_typeof(actions) = 'array');
ALTER TABLE oco.governance_policies ADD CHECK (jsonb_typeof(rules) = 'object');
ALTER TABLE oco.governance_policies ADD CHECK (name <> '');

COMMENT ON COLUMN oco.governance_policies.rules IS 'What it is about and its filters, in Cloud Custodian''s grammar, with conditions on money';
COMMENT ON COLUMN oco.governance_policies.owner IS 'Who mends what no tag names an owner of; NULL nobody';
COMMENT ON COLUMN oco.governance_policies.actions IS 'Actions for an export to Cloud Custodian; they never run here';
COMMENT ON COLUMN oco.governance_policies.version IS 'Counts changes that people make: the ETag of the API';
COMMENT ON COLUMN oco.governance_policies.last_evaluated_at IS 'When the evaluation began that told of it last; NULL never';
COMMENT ON COLUMN oco.governance_policies.last_error IS 'Why its last evaluation failed, in one line; NULL when it did not';
COMMENT ON COLUMN oco.governance_policies.last_found IS 'How many break it, by the last evaluation that did not fail; NULL never';
-- An evaluation is no change of a policy.
DROP TRIGGER governance_policies_touch ON oco.governance_policies;
CREATE TRIGGER governance_policies_touch BEFORE UPDATE OF name, description, policy_type, rules, severity, enabled, owner, actions ON oco.governance_policies FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

ALTER TABLE oco.policy_violations ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE oco.policy_violations ADD CHECK (exempt_until IS NULL OR exempt_reason IS NOT NULL);
COMMENT ON COLUMN oco.policy_violations.version IS 'Counts changes that people make: the ETag of the API';
-- A violation that comes back is exempt as long as the one before it was.
CREATE INDEX idx_policy_violations_exempt ON oco.policy_violations (policy_id) WHERE exempt_until IS NOT NULL;

-- Rules now say what they are about; until now that was whatever a bill named. A value that is there
-- and empty was absent, too.
UPDATE oco.governance_policies SET rules = jsonb_build_object('resource', 'oco.billed-resource') || rules
WHERE NOT rules ? 'resource';
UPDATE oco.governance_policies SET rules = jsonb_set(rules, '{filters,0,value}', '"empty"')
WHERE name = 'untagged-spend' AND rules #> '{filters,0}' = '{"type": "value", "key": "tags.team", "value": "absent"}';
