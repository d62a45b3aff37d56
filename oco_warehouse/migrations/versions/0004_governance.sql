CREATE TABLE oco.optimization_recommendations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider text NOT NULL,
    account_id text NOT NULL DEFAULT '',
    resource_id text NOT NULL,
    resource_type text NOT NULL,
    recommendation_type text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    estimated_monthly_savings numeric NOT NULL,
    confidence numeric NOT NULL,
    evidence jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'open',
    status_reason text,
    dismissed_until timestamptz,
    realised_monthly_savings numeric,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    UNIQUE (provider, account_id, resource_id, recommendation_type),
    CHECK (status IN ('open', 'accepted', 'dismissed', 'realised', 'regressed', 'expired')),
    CHECK (confidence BETWEEN 0 AND 1),
    CHECK (estimated_monthly_savings >= 0)
);

COMMENT ON TABLE oco.optimization_recommendations IS 'What could be saved, how surely, and what became of it';
COMMENT ON COLUMN oco.optimization_recommendations.id IS 'Identifier';
COMMENT ON COLUMN oco.optimization_recommendations.provider IS 'Short name of who provides';
COMMENT ON COLUMN oco.optimization_recommendations.account_id IS 'Account that owns the resource';
COMMENT ON COLUMN oco.optimization_recommendations.resource_id IS 'Resource that the recommendation is about';
COMMENT ON COLUMN oco.optimization_recommendations.resource_type IS 'Kind of resource';
COMMENT ON COLUMN oco.optimization_recommendations.recommendation_type IS 'Rule that made it, as in idle_instance';
COMMENT ON COLUMN oco.optimization_recommendations.title IS 'One line for people';
COMMENT ON COLUMN oco.optimization_recommendations.description IS 'What was seen and what to do';
COMMENT ON COLUMN oco.optimization_recommendations.estimated_monthly_savings IS 'USD a month that is saved by following it';
COMMENT ON COLUMN oco.optimization_recommendations.confidence IS 'From 0 to 1';
COMMENT ON COLUMN oco.optimization_recommendations.evidence IS 'Figures that the claim rests on';
COMMENT ON COLUMN oco.optimization_recommendations.status IS 'open, accepted, dismissed, realised, regressed or expired';
COMMENT ON COLUMN oco.optimization_recommendations.status_reason IS 'Why it was dismissed or ended';
COMMENT ON COLUMN oco.optimization_recommendations.dismissed_until IS 'Until when a dismissal holds; NULL for good';
COMMENT ON COLUMN oco.optimization_recommendations.realised_monthly_savings IS 'USD a month as measured afterwards on the bill';
COMMENT ON COLUMN oco.optimization_recommendations.created_at IS 'When it was first made';
COMMENT ON COLUMN oco.optimization_recommendations.last_seen_at IS 'When a run last found it true';
COMMENT ON COLUMN oco.optimization_recommendations.resolved_at IS 'When it ended; NULL while open or accepted';
CREATE INDEX idx_recommendations_status ON oco.optimization_recommendations (status, estimated_monthly_savings DESC);

CREATE TABLE oco.governance_policies (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    description text NOT NULL DEFAULT '',
    policy_type text NOT NULL,
    rules jsonb NOT NULL,
    severity text NOT NULL DEFAULT 'warning',
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (severity IN ('info', 'warning', 'critical'))
);

COMMENT ON TABLE oco.governance_policies IS 'Rules that costs and resources are held to';
COMMENT ON COLUMN oco.governance_policies.id IS 'Identifier';
COMMENT ON COLUMN oco.governance_policies.name IS 'Name for people';
COMMENT ON COLUMN oco.governance_policies.description IS 'What the policy is for';
COMMENT ON COLUMN oco.governance_policies.policy_type IS 'tagging, cost_limit, region, idle, …';
COMMENT ON COLUMN oco.governance_policies.rules IS 'Filters in Cloud Custodian''s grammar, with cost conditions';
COMMENT ON COLUMN oco.governance_policies.severity IS 'info, warning or critical';
COMMENT ON COLUMN oco.governance_policies.enabled IS 'Whether the policy is evaluated';
COMMENT ON COLUMN oco.governance_policies.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.governance_policies.updated_at IS 'When the row was last changed';
CREATE TRIGGER governance_policies_touch BEFORE UPDATE ON oco.governance_policies FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

CREATE TABLE oco.policy_violations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    policy_id uuid NOT NULL REFERENCES oco.governance_policies (id) ON DELETE CASCADE,
    resource_id text NOT NULL,
    provider text NOT NULL,
    account_id text NOT NULL DEFAULT '',
    description text NOT NULL,
    severity text NOT NULL,
    evidence jsonb NOT NULL DEFAULT '{}',
    owner text,
    exempt_until timestamptz,
    exempt_reason text,
    detected_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    CHECK (severity IN ('info', 'warning', 'critical'))
);

COMMENT ON TABLE oco.policy_violations IS 'What breaks a policy, from when to when';
COMMENT ON COLUMN oco.policy_violations.id IS 'Identifier';
COMMENT ON COLUMN oco.policy_violations.policy_id IS 'Policy that is broken';
COMMENT ON COLUMN oco.policy_violations.resource_id IS 'Resource that breaks it';
COMMENT ON COLUMN oco.policy_violations.provider IS 'Short name of who provides';
COMMENT ON COLUMN oco.policy_violations.account_id IS 'Account that owns the resource';
COMMENT ON COLUMN oco.policy_violations.description IS 'What is wrong, in one line';
COMMENT ON COLUMN oco.policy_violations.severity IS 'Severity of the policy when the violation was found';
COMMENT ON COLUMN oco.policy_violations.evidence IS 'Figures that the claim rests on';
COMMENT ON COLUMN oco.policy_violations.owner IS 'Who is to mend it';
COMMENT ON COLUMN oco.policy_violations.exempt_until IS 'Until when it is exempt; NULL is not';
COMMENT ON COLUMN oco.policy_violations.exempt_reason IS 'Why it is exempt';
COMMENT ON COLUMN oco.policy_violations.detected_at IS 'When it was first found';
COMMENT ON COLUMN oco.policy_violations.last_seen_at IS 'When a run last found it';
COMMENT ON COLUMN oco.policy_violations.resolved_at IS 'When it was found mended; NULL while open';
CREATE UNIQUE INDEX ux_policy_violations_open ON oco.policy_violations (policy_id, provider, account_id, resource_id) WHERE resolved_at IS NULL;
CREATE INDEX idx_policy_violations_detected ON oco.policy_violations (detected_at DESC);
